// Returns the faults of a page in a window of this width, as sentences: sizes, labels, structure and contrast (WCAG 2.2,
// level AA).
const windowWidth = arguments[0];
const faults = [];
const shown = (element) => element.checkVisibility() && element.getClientRects().length > 0;
const named = (element) => `${element.tagName.toLowerCase()} "${(element.innerText || element.name || "").trim().slice(0, 30)}"`;

// 1.4.10: no scrolling in two directions.
const { scrollWidth } = document.documentElement;
if (scrollWidth > windowWidth || innerWidth !== windowWidth) faults.push(`${scrollWidth} px wide in ${windowWidth}`);

// 3.1.1, 2.4.2, 1.3.1: language, title, one main part, one first heading, and none skipped.
if (!document.documentElement.lang) faults.push("no language");
if (!document.title) faults.push("no title");
for (const tag of ["main", "h1"]) {
  if (document.querySelectorAll(tag).length !== 1) faults.push(`not one ${tag}`);
}
const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
if (new Set(ids).size !== ids.length) faults.push(`ids twice: ${ids}`);

// 2.5.5: 44 px; the label of a box is part of its target.
for (const element of [...document.querySelectorAll("a, button, input")].filter(shown)) {
  const target = element.type === "checkbox" ? element.labels[0] : element;
  const { width, height } = target.getBoundingClientRect();
  if (width < 44 || height < 44) faults.push(`${named(element)} is ${width} by ${height} px`);
  // 1.3.1, 4.1.2: a visible label for each input, a text for each control; 1.3.5: the purpose of each input.
  if (element.tagName !== "INPUT") {
    const label = element.getAttribute("aria-label");
    if (!element.innerText.trim()) faults.push(`${element.outerHTML} has no text`);
    if (label && !label.includes(element.innerText.trim())) faults.push(`${label} lacks the visible text`);
  } else {
    if (!element.labels.length || !shown(element.labels[0])) faults.push(`${named(element)} has no label`);
    if (element.type !== "checkbox" && !element.autocomplete) faults.push(`${named(element)} has no autocomplete`);
  }
  for (const id of (element.getAttribute("aria-describedby") || "").split(" ").filter(Boolean)) {
    if (!document.getElementById(id)) faults.push(`${named(element)} names ${id}, which is not there`);
  }
}

// 1.4.3 and 1.4.11: contrast of texts, and of the edges of inputs and buttons.
const parse = (color) => (color.match(/[\d.]+/g) || []).map(Number);
const over = ([r, g, b, a = 1], below) => [r, g, b].map((value, at) => value * a + below[at] * (1 - a));
const background = (element) => {
  if (!element) return [255, 255, 255];
  const color = parse(getComputedStyle(element).backgroundColor);
  return color[3] === 0 ? background(element.parentElement) : over(color, background(element.parentElement));
};
const luminance = (color) => {
  const [r, g, b] = color.map((value) => value / 255).map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (one, two) => {
  const [dark, light] = [luminance(one), luminance(two)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};
const check = (element, what, color, behind, wanted) => {
  const ratio = contrast(over(parse(color), behind), behind);
  lowest = Math.min(lowest, ratio / wanted);
  if (ratio < wanted) faults.push(`${what} of ${named(element)} has a contrast of ${ratio.toFixed(2)}`);
};
let lowest = Infinity;
let texts = 0;
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || !shown(element) || element.tagName === "SCRIPT") continue;
  const { color, fontSize, fontWeight } = getComputedStyle(element);
  const size = parseFloat(fontSize);
  const isLarge = size >= 24 || (size >= 18.66 && fontWeight >= 700);
  check(element, "the text", color, background(element), isLarge ? 3 : 4.5);
  texts += 1;
}
for (const input of [...document.querySelectorAll("input")].filter(shown)) {
  check(input, "what is typed", getComputedStyle(input).color, background(input), 4.5);
  if (input.type !== "checkbox") check(input, "the edge", getComputedStyle(input).borderTopColor, background(input.parentElement), 3);
}
if (!texts) faults.push("no text");
return { faults, texts, lowest };
