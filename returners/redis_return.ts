/** The other name that Salt gives its redis returner. */
export { default } from './redis.ts';
