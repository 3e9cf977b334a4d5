import {make} from "./dom.js";
export async function frontier() { return [make("h2", {}, "Frontier")]; }
