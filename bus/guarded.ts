import { Observable, type Observer, type Operator, Subscriber, type Subscription } from 'rxjs';

/**
 * An Observable whose listeners may throw: what a `next` function throws is reported and the listener stays subscribed, instead of
 * ending the process as an uncaught error. Holds through `pipe` as well.
 */
export class GuardedObservable<T> extends Observable<T> {
  constructor(
    private readonly report: (e: unknown) => void,
    subscribe?: (subscriber: Subscriber<T>) => (() => void) | undefined,
  ) {
    super(subscribe as ConstructorParameters<typeof Observable<T>>[0]);
  }

  override lift<R>(operator?: Operator<T, R>): Observable<R> {
    const lifted = new GuardedObservable<R>(this.report);
    lifted.source = this as unknown as Observable<unknown>;
    lifted.operator = operator as unknown as Operator<unknown, R>;
    return lifted;
  }

  override subscribe(
    observerOrNext?: Partial<Observer<T>> | ((value: T) => void) | null,
    error?: ((error: unknown) => void) | null,
    complete?: (() => void) | null,
  ): Subscription {
    if (observerOrNext instanceof Subscriber) return super.subscribe(observerOrNext);
    const given: Partial<Observer<T>> =
      typeof observerOrNext === 'function' || !observerOrNext
        ? {
            ...(observerOrNext ? { next: observerOrNext } : {}),
            ...(error ? { error } : {}),
            ...(complete ? { complete } : {}),
          }
        : observerOrNext;
    return super.subscribe({
      next: (v) => {
        try {
          given.next?.(v);
        } catch (e) {
          this.report(e);
        }
      },
      error: (e) => (given.error ? given.error(e) : this.report(e)),
      complete: () => given.complete?.(),
    });
  }
}
