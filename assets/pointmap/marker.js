// Which row is open: a Streamlit component (v2) that draws nothing and tells the map of it.

import { openBeside } from "./opened.js";

export default function ({ data: { map, row } }) {
  openBeside(map, row);
}
