import { MemoryNetwork } from '../../../bus/transport/memory.ts';
import { transportSuite } from '../../conformance/transport-suite.ts';

const net = new MemoryNetwork();
const HOST = '127.0.0.1';

transportSuite({
  name: 'memory',
  requestServer: () => net.requestServer(),
  requestClient: (port) => net.requestClient(HOST, port),
  publishServer: () => net.publishServer(),
  publishClient: (port, topics) => net.publishClient(HOST, port, topics),
  sendRaw: async (port, messages) => {
    for (const m of messages) net.sendRaw(HOST, port, [Buffer.from('peer'), ...m]);
  },
});
