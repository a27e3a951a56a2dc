/** MUST requirements that no test of this project can show, each with its reason. What gets a test leaves this list. */
export const untested: Readonly<Record<string, string>> = {
  'FRM-14': 'The TLS of Node has no early data, neither as a server nor as a client: nothing here could send or accept it.',
  'QUE-16': 'Version 1 has no entry type that one of its clients may lack; the first that is added has to be tested against such a client.',
}
