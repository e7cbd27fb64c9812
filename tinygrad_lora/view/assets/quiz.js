// Numbers typed into the picture of a quiz. Where no script runs, the picture and its questions remain.
for (const root of document.querySelectorAll(".tl-quiz:not([data-live])")) {
  root.dataset.live = "";
  const { salt, fields } = JSON.parse(root.querySelector("script[type='application/json']").textContent);
  const picture = root.querySelector("div"), questions = root.querySelectorAll("li");
  const mark = { 0: "✗", 1: "✓" }, color = { 0: "#b3261e", 1: "#1b6e3c" };
  for (const { at, place: [left, top, width, height], responses } of fields) {
    const question = questions[at], asked = question.textContent;
    const input = document.createElement("input"), output = document.createElement("div");
    input.autocomplete = "off";
    input.placeholder = asked.slice(0, asked.indexOf(":"));
    input.setAttribute("aria-label", asked);
    input.style.cssText =
      `position:absolute;box-sizing:border-box;left:${left}%;top:${top}%;width:${width}%;height:${height}%;` +
      "min-height:15px;padding:0 2px;font:12px sans-serif;color:#000;background:#fff;border:1px solid #555";
    output.setAttribute("aria-live", "polite");
    input.addEventListener("change", async () => {
      const token = sealed.number(input.value.trim());
      if (token === null) output.textContent = input.value.trim() ? "Type a number, such as 2.5." : "";
      else if (!sealed.ready()) output.textContent = "This page was not loaded safely. Answer with .check(...).";
      else {
        const response = (await sealed.opened(`${salt} ${at}`, responses, token)) || "0Not right.";
        output.dataset.right = response[0];
        output.textContent = `${mark[response[0]]} ${input.value.trim()}: ${response.slice(1)}`;
        input.style.borderColor = color[response[0]];
        input.style.borderWidth = "2px";
      }
    });
    picture.append(input);
    question.append(output);
  }
  const how = root.querySelector("p");
  how.textContent = `Type numbers into the picture; three digits are enough, and Enter answers. ${how.textContent}`;
}
