"""What a web page's own styles hide: its <style> blocks and style attributes, in the order in which they hold.

Style sheets of other files are not fetched, and what scripts would show or hide is not known. Rules for print, and for
some widths of the window only, do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tinycss2
from cssselect import HTMLTranslator, Selector, SelectorError
from cssselect import parse as parse_selectors
from lxml import etree

Style = Mapping[str, str]  # property -> value, both in small letters
_Weight = tuple[bool, tuple[int, int, int], int]  # important, specificity, order: the highest holds
_Ruling = tuple[_Weight, str, str]

MOST_LOOKS = 5_000_000  # elements times selectors of a page; those that hide come first
_EVERYWHERE = {"", "all", "screen", "only screen"}
_BACKGROUNDS = ("background", "background-color", "background-image")
_AWAY = ("left", "top", "right", "bottom", "margin-left", "margin-top")
_EXTENT = ("height", "width", "max-height", "max-width")
_WATCHED = {
    *("display", "visibility", "opacity", "font-size", "text-indent", "clip", "clip-path", "overflow", "color"),
    *(*_BACKGROUNDS, *_AWAY, *_EXTENT),
}
_NAMES = re.compile(r"[.#]([A-Za-z_][\w-]*)")
_MEASURE = re.compile(r"(-?(?:\d+(?:\.\d+)?|\.\d+))([a-z%]*)")
_TINY = {"": 0.0, "px": 1.99, "pt": 1.99, "em": 0.1, "rem": 0.1, "%": 10.0}  # sizes of letters that nobody reads
_WHITE = re.compile(
    r"white|#fff(?:f|fff|fffff)?|rgba?\(\s*255[\s,]+255[\s,]+255\b.*|transparent|rgba\(.*[,/]\s*0?\.?0+\s*\)"
)
_CLIPPED = re.compile(
    r"rect\(\s*([01])(?:px)?(?:\s*,\s*|\s+)\1(?:px)?(?:\s*,\s*|\s+)\1(?:px)?(?:\s*,\s*|\s+)\1(?:px)?\s*\)"
)
_CUT_AWAY = re.compile(r"inset\(\s*(?:[5-9]\d|100)%|circle\(\s*0")


class Styles:
    """The style of each element as far as it can hide something."""

    def __init__(self, root: Any) -> None:
        sheets = [style.text or "" for style in root.iter("style")]
        self._foreign = any("stylesheet" in (link.get("rel") or "").lower() for link in root.iter("link"))
        self._ruled = _ruled(root, [rule for sheet in sheets for rule in _rules(sheet)])

    def hide(self, element: Any) -> bool:
        """Whether the element with all that is in it is out of sight. One inside a hidden one need not be hidden itself."""
        if element.get("hidden") is not None:
            return True
        ruled, own = self._ruled.get(element), element.get("style")
        if ruled is None and not own:
            return False
        style = _in_force(ruled or [], own or "")
        return hides(style) or (bool(_WHITE.fullmatch(style.get("color", ""))) and self._on_white(element, bool(own)))

    def is_closed(self, element: Any) -> bool:
        """Whether the element is hidden as panels are until they are opened: not shown at all, or of no height."""
        style = self._style(element)
        return (
            element.get("hidden") is not None
            or style.get("display") == "none"
            or style.get("visibility") in ("hidden", "collapse")
            or any(
                (size := _measure(style.get(name))) is not None and size[0] == 0 for name in ("height", "max-height")
            )
        )

    def display(self, element: Any) -> str | None:
        """Return how the page's own styles show the element: "block", "inline" ...; None where they say nothing of it."""
        if element not in self._ruled and not element.get("style"):
            return None
        shown = self._style(element).get("display")
        return None if shown in (None, "none", "inherit", "initial", "unset", "revert") else shown

    def _style(self, element: Any) -> Style:
        return _in_force(self._ruled.get(element, []), element.get("style") or "")

    def _on_white(self, element: Any, own: bool) -> bool:
        """Whether nothing that is known gives the element a background of its own."""
        if self._foreign and not own:
            return False  # a sheet that is not fetched may give one
        for around in (element, *element.iterancestors()):
            style = _in_force(self._ruled.get(around, []), around.get("style") or "")
            if around.get("bgcolor") or any(style.get(name, "none") not in ("none", "") for name in _BACKGROUNDS):
                return False
        return True


def hides(style: Style) -> bool:
    """Whether such a style takes an element out of sight, whatever its colours."""
    if style.get("display") == "none" or style.get("visibility") in ("hidden", "collapse"):
        return True
    opacity, letters = _measure(style.get("opacity")), _measure(style.get("font-size"))
    if (opacity is not None and opacity[0] == 0) or (letters is not None and letters[0] <= _TINY.get(letters[1], 0.0)):
        return True
    indent = _measure(style.get("text-indent"))
    if indent is not None and indent[0] <= -100:
        return True
    away = [_measure(style.get(side)) for side in _AWAY]
    if any(place is not None and place[0] <= -1000 for place in away):
        return True
    if _CLIPPED.fullmatch(style.get("clip", "")) or _cut_away(style.get("clip-path", "")):
        return True
    sizes = [_measure(style.get(name)) for name in _EXTENT]
    cut = style.get("overflow", "").split(" ")[0] in ("hidden", "clip")
    return cut and any(size is not None and size[0] == 0 for size in sizes)


def _cut_away(path: str) -> bool:
    """Whether a clip-path leaves nothing: by its size, or as a polygon all of whose corners are in one place."""
    if not path.startswith("polygon("):
        return bool(_CUT_AWAY.match(path))
    corners = path.removeprefix("polygon(").partition(")")[0].replace(",", " ").split()
    return bool(corners) and all(number.startswith("0") for number in corners)


def _measure(value: str | None) -> tuple[float, str] | None:
    found = _MEASURE.fullmatch(value or "")
    return None if found is None else (float(found[1]), found[2])


def _rules(sheet: str) -> list[tuple[str, list[Any]]]:
    """Return selectors and declarations of a sheet, in order; nothing of a sheet that cannot be read."""
    try:
        return list(_plain(tinycss2.parse_stylesheet(sheet, skip_comments=True, skip_whitespace=True)))
    except RecursionError:
        return []


def _plain(rules: Sequence[Any]) -> Iterator[tuple[str, list[Any]]]:
    for rule in rules:
        if rule.type == "qualified-rule":
            yield tinycss2.serialize(rule.prelude).strip(), _declared(rule.content)
        elif rule.type == "at-rule" and rule.content is not None and rule.lower_at_keyword in ("media", "layer"):
            where = tinycss2.serialize(rule.prelude).strip().lower()
            if rule.lower_at_keyword == "layer" or where in _EVERYWHERE:
                yield from _plain(tinycss2.parse_rule_list(rule.content, skip_comments=True, skip_whitespace=True))


def _declared(content: Any) -> list[Any]:
    found = tinycss2.parse_declaration_list(content, skip_comments=True, skip_whitespace=True)
    return [d for d in found if d.type == "declaration" and d.lower_name in _WATCHED]


def _value(declaration: Any) -> str:
    return str(tinycss2.serialize(declaration.value)).strip().lower()


def _ruled(root: Any, rules: Sequence[tuple[str, list[Any]]]) -> dict[Any, list[_Ruling]]:
    """Return what rules say of the elements that some rule would hide or show as a block, and of backgrounds."""
    hiding = [n for n, (_, declared) in enumerate(rules) if _could_hide({d.lower_name: _value(d) for d in declared})]
    hiding += [n for n, (_, declared) in enumerate(rules) if any(d.lower_name == "display" for d in declared)]
    if not hiding:
        return {}
    touched = {d.lower_name for n in hiding for d in rules[n][1]} | set(_BACKGROUNDS)
    others = [n for n, (_, declared) in enumerate(rules) if any(d.lower_name in touched for d in declared)]
    found: dict[Any, list[_Ruling]] = {}
    there = {name for e in root.iter(etree.Element) for name in (e.get("class", "") + " " + e.get("id", "")).split()}
    left = MOST_LOOKS // sum(1 for _ in root.iter())
    for n in dict.fromkeys([*hiding, *others]):
        selectors, declared = rules[n]
        if not _may_match(selectors, there):
            continue
        for selector in _selectors(selectors):
            left -= 1
            if left < 0:
                return found
            for element in _matching(root, selector):
                found.setdefault(element, []).extend(
                    ((d.important, selector.specificity(), n), d.lower_name, _value(d)) for d in declared
                )
    return found


def _could_hide(style: Style) -> bool:
    return hides({**style, "overflow": "hidden"}) or bool(_WHITE.fullmatch(style.get("color", "")))


def _may_match(selectors: str, there: set[str]) -> bool:
    """Whether a rule can match on a page with these classes and ids: spares most rules of a framework a look."""
    if any(sign in selectors for sign in ",(["):
        return True
    return all(name in there for name in _NAMES.findall(selectors))


def _selectors(text: str) -> list[Selector]:
    """Return the selectors of a rule that speak of elements; none where one cannot be read, as in a browser."""
    try:
        return [selector for selector in parse_selectors(text) if selector.pseudo_element is None]
    except (SelectorError, RecursionError):
        return []


def _matching(root: Any, selector: Selector) -> list[Any]:
    try:
        found = root.xpath(HTMLTranslator().selector_to_xpath(selector))
    except (SelectorError, etree.XPathError, RecursionError):  # ":has(...)" and the like
        return []
    return list(found)


def _in_force(ruled: Sequence[_Ruling], own: str) -> Style:
    """Return the values that hold: important rules over the element's own style over other rules."""
    rulings = list(ruled)
    if own:
        try:
            declared = _declared(own)
        except RecursionError:
            declared = []
        rulings += [((d.important, (9, 9, 9_999), 0), d.lower_name, _value(d)) for d in declared]
    return {name: value for _, name, value in sorted(rulings, key=lambda ruling: ruling[0])}
