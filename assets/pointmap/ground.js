// What stays the same while marks change on a map: a Streamlit component (v2) that draws nothing
// and keeps the sections of one message for the maps on the page.

import { keepSections, readPayload } from "./payload.js";

export default function ({ data }) {
  const payload = readPayload(data);
  if (payload) keepSections(payload.sections);
}
