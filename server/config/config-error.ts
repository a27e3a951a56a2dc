/** A configuration that can't be used. The message is one line for the operator. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}
