/** MUST requirements that no case can show, each with its reason. What gets a case leaves this list. */
export const uncovered: Readonly<Record<string, string>> = {
}
