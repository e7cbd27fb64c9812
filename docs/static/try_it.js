// A folded playground begins to load when it is opened. From a disk a browser refuses to start Python, so it says that.
document.addEventListener("DOMContentLoaded", () => {
  for (const details of document.querySelectorAll("details.solve")) {
    details.addEventListener("toggle", () => {
      const frame = details.querySelector("iframe[data-src]");
      if (!frame || !details.open) return;
      if (location.protocol === "file:") {
        const words = document.createElement("p");
        words.append("This page is on a disk, and from there a browser does not start Python. ");
        const command = document.createElement("code");
        command.textContent = "tinygrad-lora play";
        words.append(command, " opens the same thing.");
        frame.replaceWith(words);
      } else {
        frame.src = frame.dataset.src;
        delete frame.dataset.src;
      }
    });
  }
});
