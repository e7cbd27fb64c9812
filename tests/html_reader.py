"""Reads a page as a test needs it: its elements, its text, and whether it is whole."""

from html.parser import HTMLParser


class Reader(HTMLParser):
    """Reads a page, and complains about elements that are not closed where they should be."""

    VOID = frozenset({"meta", "img", "link", "br", "hr", "input"})
    HIDDEN = frozenset({"style", "script", "svg"})  # what stands in these is no text of the page

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        assert len(attributes) == len(dict(attributes)), f"<{tag}> says something twice: {attributes}"
        self.elements.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> in line {self.getpos()[0]} closes something else"

    def handle_data(self, data):
        if not self.HIDDEN & set(self.open):
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]
