// The questions of the tutorials. An answer opens its own response: the page holds no answer (docs/build_site/predictions.py).
(() => {
  const hash = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const bytesOf = (text) => new TextEncoder().encode(text);
  const joined = (bytes, more) => new Uint8Array([...bytes, ...more]);
  const hex = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const unhex = (text) => Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));

  const tokens = {
    number: (text) => {
      const value = Number(text.replace("\u2212", "-").replace(/,/g, ""));
      return text && Number.isFinite(value) ? (value || 0).toExponential(2) : null;
    },
    shape: (text) => (text.match(/\d+/g) || []).join(","),
    truth: (text) => text.toLowerCase() || null,
    choice: (text) => text.toLowerCase() || null,
  };

  const opened = async (form, token) => {
    const key = await hash(bytesOf(`${form.dataset.salt} ${token}`));
    const tag = hex(await hash(joined(key, bytesOf("tag")))).slice(0, 16);
    const found = JSON.parse(form.dataset.sealed).find(([known]) => known === tag);
    if (!found) return "0Not right. Read on, find out why, and answer again.";
    const sealed = unhex(found[1]), open = new Uint8Array(sealed.length);
    for (let block = 0; block * 32 < sealed.length; block++) {
      const stream = await hash(joined(key, [block]));
      for (let i = block * 32; i < Math.min(sealed.length, block * 32 + 32); i++) open[i] = sealed[i] ^ stream[i % 32];
    }
    return new TextDecoder().decode(open);
  };

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("form.predict")) return;
    event.preventDefault();
    const token = tokens[form.dataset.kind](form.elements.answer.value.trim()), output = form.querySelector("output");
    if (token === null) output.textContent = "Type an answer first.";
    else if (!globalThis.crypto?.subtle) output.textContent = "This page was not loaded safely. Answer in the notebook.";
    else {
      const response = await opened(form, token);
      output.dataset.right = response[0];
      output.innerHTML = response.slice(1);
    }
  });
})();
