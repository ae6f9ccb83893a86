/**
 * Transports move opaque frames; what is in them is bus/wire's matter. A transport never throws at a peer's bytes: what it cannot
 * frame is counted in `dropped` and forgotten. Sockets live on the main thread only.
 */
import type { Observable } from 'rxjs';

/** One request as it arrived, to be answered at most once. An unanswered request is forgotten after the peer's own timeout. */
export interface Request {
  readonly body: Uint8Array;
  /** The peer's address if the transport knows it. */
  readonly peer?: string;
  reply(body: Uint8Array): void;
}

/** The side that answers (port 4506). Requests of one peer arrive in order; answers may leave in any order. */
export interface RequestServer {
  readonly requests$: Observable<Request>;
  readonly dropped: { readonly [reason: string]: number };
  /** Binds; rejects with SaltError PortInUse naming address and port. Answers the port in use (for port 0). */
  listen(host: string, port: number): Promise<number>;
  /** Stops taking requests, sends what is queued for up to a second, closes. */
  close(): Promise<void>;
}

/** The side that asks. One request in flight per socket on zeromq; callers may overlap, they queue in order. */
export interface RequestClient {
  /** Sends and waits; rejects with SaltError SaltReqTimeoutError after `timeout` ms and reopens the socket. */
  request(body: Uint8Array, timeout: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** The side that publishes (port 4505). `topics` names receivers under zmq_filtering; absent means one unfiltered frame. */
export interface PublishServer {
  publish(body: Uint8Array, topics?: readonly string[]): void;
  /** Count of live subscribers, and their addresses where known (presence). */
  peers(): ReadonlySet<string>;
  listen(host: string, port: number): Promise<number>;
  close(): Promise<void>;
}

/** The side that hears publishes. */
export interface PublishClient {
  readonly frames$: Observable<Uint8Array>;
  /** Turns true at each connection and false at each loss. */
  readonly connected$: Observable<boolean>;
  close(): Promise<void>;
}
