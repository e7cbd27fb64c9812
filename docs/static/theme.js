// Pictures of the package look at the top element for the theme that the reader chose; this one keeps it on the body.
(() => {
  const copy = () => {
    const chosen = document.body.dataset.theme;
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
    else delete document.documentElement.dataset.theme;
  };
  document.addEventListener("DOMContentLoaded", () => {
    copy();
    new MutationObserver(copy).observe(document.body, { attributes: true, attributeFilter: ["data-theme"] });
  });
})();
