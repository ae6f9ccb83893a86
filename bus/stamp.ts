/**
 * Stamps as events carry them (ISO-8601, UTC, microseconds, `+00:00`), made cheaply: the text up to the second is kept between calls.
 * Rises by at least a microsecond a call.
 */
export class StampSource {
  private second = -1;
  private text = '';
  private last = 0;

  /** @param clock milliseconds since the epoch, fractions allowed. */
  constructor(private readonly clock: () => number) {}

  next(): { stamp: string; time: number } {
    const time = this.clock();
    const micros = Math.max(this.last + 1, Math.floor(time * 1000));
    this.last = micros;
    const second = Math.floor(micros / 1e6);
    if (second !== this.second) {
      this.second = second;
      this.text = new Date(second * 1000).toISOString().slice(0, 19);
    }
    return { stamp: `${this.text}.${String(micros - second * 1e6).padStart(6, '0')}+00:00`, time };
  }
}
