/** A process that takes clients for `chatd start --workers`; started by the supervisor alone. */
import { openLog } from '../../server/log.js'
import { runWorker } from '../../server/workers/worker.js'
import { collectWhenQuiet } from './quiet-collection.js'

collectWhenQuiet()
runWorker((config) => openLog(config.log.level))
