import type { Opts } from '../bus/opts.ts';
import { BROADCAST_TOPIC, topicOf, ZmqPublishClient, ZmqRequestClient } from '../bus/transport/zeromq.ts';
import type { Sockets } from './connection.ts';

/** ZeroMQ sockets as a minion's configuration wants them (keepalive, reconnection, filtering). */
export function zmqSockets(opts: Opts): Sockets {
  const keepalive = {
    enabled: opts.flag('tcp_keepalive', true),
    idle: opts.num('tcp_keepalive_idle', 300),
    count: opts.num('tcp_keepalive_cnt', -1),
    interval: opts.num('tcp_keepalive_intvl', -1),
  };
  return {
    requests: (host, port) => new ZmqRequestClient({ host, port, keepalive }),
    publishes: (host, port) =>
      new ZmqPublishClient({
        host,
        port,
        keepalive,
        reconnect: {
          base: opts.num('recon_default', 1000),
          max: opts.num('recon_max', 10_000),
          randomize: opts.flag('recon_randomize', true),
        },
        ...(opts.flag('zmq_filtering') ? { topics: [BROADCAST_TOPIC, topicOf(opts.str('id'))] } : {}),
      }),
  };
}
