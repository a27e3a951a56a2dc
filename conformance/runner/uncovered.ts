/**
 * MUST requirements that no case shows, each with its reason. What gets a case leaves this list; a test holds it against the cases.
 */

/** Of servers alone. */
const ofServers: Readonly<Record<string, string>> = {
  'PRS-1': 'What a server drops while a connection is full depends on its buffers and on those of the system in between.',
  'INV-10': 'Whether a server requires encryption is for its operator: one that does lets nobody in over a plain transport, to try it.',
  'INV-11': 'Who goes beyond the bound is locked out, and all that runs from the same address with it.',
  'INV-15': 'Accounts are disabled by operators, with tools of their own.',
  'BLB-14': 'What nobody holds is erased after a day.',
  'BLB-22': 'What lies on the disk of a server is not seen from outside.',
  'SCH-7': 'A server that searches has no way to show it; one that does not is told by its first answer, and its cases are not run.',
  'SCH-8': 'The extension for text that is encrypted end to end is reserved, and refused.',
}

const ofClients: Readonly<Record<string, string>> = {
  'FRM-14': 'The TLS of Node has no early data: nothing here could see or accept it.',
  'QUE-16': 'Version 1 has no entry type that one of its clients may lack.',
  'PRF-19': 'How a name is shown beside an address is for a person to see.',
}

export const uncovered: Readonly<Record<string, string>> = { ...ofClients, ...ofServers }
