/** Jinja's `urlize`: addresses in a text become links. */
import { escapeText } from './escape.ts';

const HTTP =
  /^((https?:\/\/|www\.)(([\w%-]+\.)+)?([a-z]{2,63}|xn--[\w%]{2,59})|([\w%-]{2,63}\.)+(com|net|int|edu|gov|org|info|mil)|(https?:\/\/)((([\d]{1,3})(\.[\d]{1,3}){3})|(\[([\da-f]{0,4}:){2}([\da-f]{0,4}:?){1,6}\])))(?::[\d]{1,5})?(?:[/?#]\S*)?$/i;
const MAIL = /^\S+@\w[\w.-]*\.\w+$/;

/** How {@link urlize} writes links. */
export interface LinkOptions {
  limit?: number | undefined;
  rel: string;
  target?: string | undefined;
}

/** The text, escaped, with links. */
export function urlize(text: string, o: LinkOptions): string {
  const rel = o.rel ? ` rel="${escapeText(o.rel)}"` : '';
  const target = o.target ? ` target="${escapeText(o.target)}"` : '';
  const short = (t: string): string => (o.limit !== undefined && t.length > o.limit ? `${t.slice(0, o.limit)}...` : t);
  return escapeText(text)
    .split(/(\s+)/)
    .map((word) => {
      let head = '';
      let middle = word;
      let tail = '';
      const open = /^([(<]|&lt;)+/.exec(middle);
      if (open) {
        head = open[0];
        middle = middle.slice(head.length);
      }
      const close = /([)>.,\n]|&gt;)+$/.exec(middle);
      if (close) {
        tail = close[0];
        middle = middle.slice(0, -tail.length);
      }
      for (const [start, end] of [
        ['(', ')'],
        ['<', '>'],
        ['&lt;', '&gt;'],
      ] as const) {
        const count = (s: string, part: string): number => s.split(part).length - 1;
        const missing = count(middle, start) - count(middle, end);
        if (missing <= 0) continue;
        for (let i = 0; i < Math.min(missing, count(tail, end)); i++) {
          const at = tail.indexOf(end) + end.length;
          middle += tail.slice(0, at);
          tail = tail.slice(at);
        }
      }
      if (HTTP.test(middle)) {
        const href = /^https?:\/\//.test(middle) ? middle : `https://${middle}`;
        middle = `<a href="${href}"${rel}${target}>${short(middle)}</a>`;
      } else if (middle.startsWith('mailto:') && MAIL.test(middle.slice(7)))
        middle = `<a href="${middle}">${middle.slice(7)}</a>`;
      else if (middle.includes('@') && !middle.startsWith('www.') && !/^[@:]/.test(middle) && MAIL.test(middle))
        middle = `<a href="mailto:${middle}">${middle}</a>`;
      return head + middle + tail;
    })
    .join('');
}
