// The questions of the tutorials. An answer opens its own response (docs/build_site/predictions.py, sealed.js).
(() => {
  const tokens = {
    number: sealed.number,
    shape: (text) => (text.match(/\d+/g) || []).join(","),
    truth: (text) => text.toLowerCase() || null,
    choice: (text) => text.toLowerCase() || null,
  };

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("form.predict")) return;
    event.preventDefault();
    const token = tokens[form.dataset.kind](form.elements.answer.value.trim()), output = form.querySelector("output");
    if (token === null) output.textContent = "Type an answer first.";
    else if (!sealed.ready()) output.textContent = "This page was not loaded safely. Answer in the notebook.";
    else {
      const found = await sealed.opened(form.dataset.salt, JSON.parse(form.dataset.sealed), token);
      const response = found || "0Not right. Read on, find out why, and answer again.";
      output.dataset.right = response[0];
      output.innerHTML = response.slice(1);
    }
  });
})();
