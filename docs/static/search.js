// The search page: a name comes first when its name is asked for, sections are found by the words of their titles, and
// below each result stands a line of its page. SEARCH_LINES is written when the site is built.
(() => {
  if (typeof Search === "undefined" || typeof SEARCH_LINES === "undefined") return;
  const NAME = 200, MEMBER = 60, TITLE = 12, RECIPE = 12; // points; an entry of the glossary has 100 from Sphinx
  const stemmer = new Stemmer();
  const stem = (word) => stemmer.stemWord(word.toLowerCase());
  let asked = [];

  function points(result, query) {
    const [, name, , , score, , kind] = result;
    if (kind !== SearchResultKind.object) return score;
    const parts = name.split("."), last = parts.at(-1).toLowerCase();
    if (last !== query && stem(last) !== stem(query)) return score;
    return score + (parts.length === 2 ? NAME : MEMBER) + (last === query ? 1 : 0);
  }

  function sections(terms) {
    const found = [], { alltitles, docnames, filenames, titles } = Search._index;
    for (const [title, places] of Object.entries(alltitles)) {
      const words = splitQuery(title).map(stem);
      if (!terms.length || !terms.every((term) => words.some((word) => word.startsWith(term)))) continue;
      for (const [file, id] of places) {
        const whole = titles[file] === title, recipe = docnames[file].startsWith("cookbook/") && !whole;
        found.push([docnames[file], whole ? title : `${titles[file]} > ${title}`, whole || id === null ? "" : `#${id}`, null,
          TITLE + Math.round(10 * terms.length / words.length) + (recipe ? RECIPE : 0), filenames[file], SearchResultKind.title]);
      }
    }
    return found;
  }

  const sphinx = Search._performSearch;
  Search._performSearch = (query, terms, ...rest) => {
    asked = [...terms];
    const lower = query.toLowerCase().trim(), best = new Map();
    for (const result of [...sphinx(query, terms, ...rest), ...sections(asked)]) {
      const key = result[0] + result[2], score = points(result, lower);
      if (!best.has(key) || best.get(key)[4] < score) best.set(key, [...result.slice(0, 4), score, ...result.slice(5)]);
    }
    return [...best.values()].sort(_orderResultsByScoreThenName);
  };

  function line(page, anchor) {
    const lines = (SEARCH_LINES[page] || ["", []])[1].filter(([at]) => !anchor || at === anchor).map(([, text]) => text);
    if (anchor && lines.length) return lines[0]; // what the section, or the docstring, opens with
    const hits = (text) => asked.filter((term) => text.toLowerCase().includes(term)).length;
    return lines.reduce((best, text) => (hits(text) > hits(best) ? text : best), lines[0] || "");
  }

  function shortened(text) {
    const first = Math.min(...asked.map((term) => text.toLowerCase().indexOf(term)).filter((at) => at >= 0), text.length);
    const start = first > 140 && first < text.length ? text.indexOf(" ", first - 80) + 1 : 0;
    const end = text.length > start + 180 ? text.lastIndexOf(" ", start + 180) : text.length;
    return (start ? "… " : "") + text.slice(start, end) + (end < text.length ? " …" : "");
  }

  function addContext(item) {
    const link = item.querySelector("a");
    if (!link || item.querySelector(".context")) return;
    const [address, anchor] = link.getAttribute("href").split("#");
    const page = address.replace(/\.html$/, ""), words = document.createElement("p");
    words.className = "context";
    const pattern = asked.map((term) => term.replace(/\W/g, "\\$&")).join("|");
    for (const part of shortened(line(page, anchor)).split(new RegExp(`(\\w*(?:${pattern})\\w*)`, "i"))) {
      const hit = pattern && new RegExp(pattern, "i").test(part);
      words.append(hit ? Object.assign(document.createElement("mark"), { textContent: part }) : part);
    }
    const kind = (SEARCH_LINES[page] || [""])[0];
    if (kind) item.append(Object.assign(document.createElement("span"), { className: "kind", textContent: kind }));
    if (words.textContent) item.append(words);
  }

  new MutationObserver((changes) => {
    for (const change of changes) {
      for (const node of change.addedNodes) if (node.nodeName === "LI") addContext(node);
    }
  }).observe(document.getElementById("search-results"), { childList: true, subtree: true });
})();
