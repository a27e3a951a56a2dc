/** A reporter for node's test runner that says what failed: a line of JSON with file and name for each; a file as such has its path as name. */
export default async function* failedTests(source) {
  for await (const { type, data } of source) {
    if (type === 'test:fail' && !data.todo) yield `${JSON.stringify({ file: data.file, name: data.name })}\n`
  }
}
