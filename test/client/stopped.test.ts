import t from 'tap'
import { Stopped, stoppedMessage, stopSignalOf } from '../../client/stopped.ts'

t.test('what a stop leaves behind is told by the command, or else in general', async t => {
  const signal = AbortSignal.abort(new Stopped('SIGINT'))

  t.equal(stopSignalOf(signal), 'SIGINT')
  t.equal(stoppedMessage(new Stopped('SIGINT', 'nothing is left'), signal), 'nothing is left')
  t.match(stoppedMessage(new Error('socket closed'), signal), 'a draft that was begun expires by itself')
})
