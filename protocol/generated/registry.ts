export type ErrorCode = number
