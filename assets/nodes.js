// A node of a page; text from data is only ever set as text.

function make(tag, kind, parent, text) {
  const node = document.createElement(tag);
  if (kind) node.className = kind;
  if (text !== undefined) node.textContent = text;
  parent?.append(node);
  return node;
}
