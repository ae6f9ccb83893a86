/** Escaping of text for markup, and text that already is. */
import { isStr, Markup, type Py, str } from '../../values.ts';

const SPECIAL: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', "'": '&#39;', '"': '&#34;' };

/** The five characters of markup as entities. */
export function escapeText(text: string): string {
  return /[&<>'"]/.test(text) ? text.replace(/[&<>'"]/g, (c) => SPECIAL[c] as string) : text;
}
/** `markupsafe.escape`: escaped once, whatever the value. */
export function escapeMarkup(v: Py): Markup {
  return v instanceof Markup ? v : new Markup(escapeText(str(v)));
}
/** `markupsafe.soft_str`: Markup stays, all else becomes plain text. */
export function softStr(v: Py): string | Markup {
  return isStr(v) ? v : str(v);
}
