// Returns a line for each visible text whose contrast with its background is below 4.5:1,
// the minimum of WCAG 2.2 level AA (success criterion 1.4.3) for text of any size.
(() => {
  const once = (f, known = new Map()) => (key) => known.get(key) ?? known.set(key, f(key)).get(key);
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  // parse returns the red, green, blue and alpha of a CSS color.
  const parse = once((color) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = context.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  });
  const over = ([r, g, b, a], below, opacity) => [r, g, b].map((c, i) => c * a * opacity + below[i] * (1 - a * opacity));
  const opacity = once((element) => (element ? getComputedStyle(element).opacity * opacity(element.parentElement) : 1));
  const background = once((element) =>
    element ? over(parse(getComputedStyle(element).backgroundColor), background(element.parentElement), opacity(element)) : [255, 255, 255],
  );
  const luminance = (color) => {
    const [r, g, b] = color.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };

  const low = new Set();
  const check = (element, text, pseudo) => {
    const style = getComputedStyle(element, pseudo);
    if (!text.trim() || !element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) {
      return;
    }
    const behind = background(element);
    const color = over(parse(style.color), behind, opacity(element) * (pseudo ? style.opacity : 1));
    const [dark, light] = [luminance(color), luminance(behind)].sort((a, b) => a - b);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) {
      const place = [element.parentElement, element].map((e) => e.tagName.toLowerCase() + "." + [...e.classList].join(".")).join(" > ");
      low.add(`${ratio.toFixed(2)}:1, ${color.map(Math.round)} on ${behind.map(Math.round)}, ${place}${pseudo ?? ""}: ${text.trim().slice(0, 30)}`);
    }
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    check(texts.currentNode.parentElement, texts.currentNode.data);
  }
  for (const element of document.body.querySelectorAll("*")) {
    for (const pseudo of ["::before", "::after"]) {
      check(element, getComputedStyle(element, pseudo).content.match(/^"(.*)"$/)?.[1] ?? "", pseudo);
    }
  }
  for (const field of document.querySelectorAll("input, textarea, select")) {
    field.value ? check(field, field.value) : check(field, field.placeholder ?? "", "::placeholder");
  }
  return [...low].sort();
})();
