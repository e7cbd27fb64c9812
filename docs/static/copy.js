// A button that copies an example: the lines to type, without prompts and without what Python answers.
document.addEventListener("DOMContentLoaded", () => {
  const PROMPT = /^(>>>|\.\.\.)( |$)/;

  function typed(block) {
    const lines = block.querySelector("pre").textContent.replace(/\n$/, "").split("\n");
    const session = lines.filter((line) => PROMPT.test(line));
    return (session.length ? session.map((line) => line.slice(4)) : lines).join("\n") + "\n";
  }

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch { // an old browser, or a page that is served without encryption
      const field = document.createElement("textarea");
      field.value = text;
      document.body.append(field);
      field.select();
      document.execCommand("copy");
      field.remove();
    }
  }

  for (const block of document.querySelectorAll("article div.highlight")) {
    if (block.closest(".tl-explorer, .tl-stepper, details.source, .output")) continue;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy this code");
    button.addEventListener("click", async () => {
      await copy(typed(block));
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
    block.append(button);
  }
});
