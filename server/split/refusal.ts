/** The data can't be split, for a reason that the operator has to know. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
}

export function partOfAnother(): Refusal {
  return new Refusal('it is one shard of several: name the directory that has them all')
}
