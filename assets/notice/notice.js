// What was just done, at the foot of the window: one sentence at a time, which goes by itself.

const SECONDS = 8;

// A page that is left and opened again does not say the same once more.
const known = (globalThis.winnowNotice ??= { id: null, until: 0 });

function show(root, said) {
  clearTimeout(root.going);
  const left = known.until - Date.now();
  root.hidden = !said || left <= 0;
  if (root.hidden || left === Infinity) return;
  root.going = setTimeout(() => {
    // Not under the pointer of somebody who is about to press.
    if (root.matches(":hover, :focus-within")) known.until = Date.now() + 1000;
    show(root, said);
  }, left);
}

/** The page's own margin, so that the sentence begins where the page does. */
function place(root) {
  const block = document.querySelector('[data-testid="stMainBlockContainer"]');
  if (!block) return;
  const { left } = block.getBoundingClientRect();
  root.style.left = `${Math.max(left + parseFloat(getComputedStyle(block).paddingLeft), 14)}px`;
}

export default function ({ data: said, parentElement, setTriggerValue }) {
  const root = parentElement.querySelector(".notice");
  if (said && said.id !== known.id) {
    known.id = said.id;
    known.until = said.failed ? Infinity : Date.now() + 1000 * SECONDS;
  }
  if (said) {
    const text = root.querySelector(".text");
    if (text.textContent !== said.text) text.textContent = said.text;
    root.classList.toggle("failed", said.failed);
    const act = root.querySelector(".act");
    act.textContent = said.act;
    act.hidden = !said.act;
    const end = () => {
      known.until = 0;
      show(root, said);
    };
    act.onclick = () => {
      end();
      setTriggerValue("pressed", said.id);
    };
    root.querySelector(".close").onclick = end;
    place(root);
  }
  show(root, said);
  return () => clearTimeout(root.going);
}
