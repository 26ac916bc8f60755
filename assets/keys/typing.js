// Ctrl+Z in a field of the page takes back what was typed there. Streamlit would press the button
// with that shortcut as well, and a decision on rows would be taken back unseen.

const NOT_TYPED = new Set(["button", "checkbox", "color", "file", "radio", "range", "submit"]);

function isTyping(node) {
  if (node.isContentEditable) return true;
  if (node.tagName === "TEXTAREA") return !node.readOnly;
  if (node.tagName !== "INPUT" || node.readOnly || NOT_TYPED.has(node.type)) return false;
  // A list that was chosen from keeps the focus, with nothing typed.
  return node.getAttribute("role") !== "combobox" || node.value !== "";
}

function heard(event) {
  const undoes = (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z";
  if (undoes && isTyping(event.composedPath()[0])) event.stopImmediatePropagation();
}

export default function () {
  if (globalThis.winnowTyping) return;
  globalThis.winnowTyping = true;
  window.addEventListener("keydown", heard, true);
}
