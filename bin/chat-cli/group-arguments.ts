/** The command line of `chat group`. */
import type { AccountOptions } from './argument-values.js'
import { usageFailure } from './failure.js'
import type { GroupRequest, GroupWordValues } from './group-words.js'
import { GROUP_VERBS, groupRequest, isGroupVerb, WrongWords } from './group-words.js'

export interface GroupCommand {
  readonly kind: 'group'
  readonly account: AccountOptions
  /** null: list the groups */
  readonly request: GroupRequest | null
  readonly timeoutMs: number | null
  readonly json: boolean
}

/** What is asked for; null: the list. Throws a ChatFailure (usage). */
export function groupArguments([verb, ...words]: readonly string[], values: GroupWordValues): GroupRequest | null {
  try {
    if (verb === 'list') {
      if (words.length > 0) throw new WrongWords('list takes nothing more')
      return null
    }
    if (!isGroupVerb(verb)) {
      throw new WrongWords(verb === undefined ? 'say what to do: `chat group create ID` …' : `there is no '${verb}': ${[...GROUP_VERBS, 'list'].join(', ')}`)
    }
    if ((verb === 'rename' || verb === 'about') && words.length > 2) throw new WrongWords('the text is more than one argument: put it in quotes')
    return groupRequest(verb, words, values)
  } catch (error) {
    if (error instanceof WrongWords) throw usageFailure(error.message, 'group')
    throw error
  }
}
