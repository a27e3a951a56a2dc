/** The little a shard says to the log; pino's logger fits. Fields first, then one short event sentence. */
export interface Logger {
  info(fields: object, event: string): void
  warn(fields: object, event: string): void
  error(fields: object, event: string): void
}
