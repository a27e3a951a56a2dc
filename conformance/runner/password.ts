/** What a password becomes before anybody derives keys of it. [ADR-6] */
export function preparedPassword(typed: string): string {
  return typed.replaceAll(/\p{Zs}/gu, ' ').normalize('NFC')
}
