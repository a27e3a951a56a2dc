/**
 * Of several who are asked the same, and of whom one knows it: what that one says, as soon as it does. null: none knows, and all have said so. Rejects
 * once all have answered or failed, where one that failed may have known.
 */
export async function firstAnswer<T>(asked: readonly Promise<T | null>[]): Promise<T | null> {
  try {
    return await Promise.any(asked.map(known))
  } catch (error) {
    const failures = (error as AggregateError).errors.filter((failure) => failure !== NOT_KNOWN)
    if (failures.length > 0) throw failures[0] as Error
    return null
  }
}

const NOT_KNOWN = new Error('not known')

async function known<T>(asked: Promise<T | null>): Promise<T> {
  const answer = await asked
  if (answer === null) throw NOT_KNOWN
  return answer
}
