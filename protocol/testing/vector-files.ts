/** The files of conformance/vectors/ that are made from hand-chosen cases; scram.json is written by hand. */
import { acceptableCases, invalidCases } from './bad-frame-cases.js'
import { invalidElements, validElements } from './element-cases.js'
import { errorCases, unknownErrorCases } from './error-cases.js'
import { boundCases, extensionCases, plainCases, uintCases } from './frame-cases.js'
import type { FrameCase } from './frame-cases.js'
import { elementBytes, frameBytes, frameSpec, toHex } from './reference-encoder.js'
import { dictionaryCases, loginTokenCases } from './token-cases.js'
import { conversationCases, fullAddressCases, nameCases, passwordCases, textCases } from './text-cases.js'

function validVector({ name, frame, fields, extensions = [], xml }: FrameCase): object {
  const hex = toHex(frameBytes(frameSpec(frame), fields, extensions))
  return { name, frame, hex, fields, extensions, ...(xml === undefined ? {} : { xml }) }
}

/** Content of each file by name. */
export const vectorFiles: Readonly<Record<string, object>> = {
  'codec.json': {
    $schema: './schema.json#/$defs/codec',
    about: 'Frames as bytes: valid ones with what they say, invalid ones with the error that closes the connection, and unusual ones.',
    valid: [...plainCases, ...extensionCases, ...uintCases(), ...boundCases()].map(validVector),
    invalid: invalidCases,
    acceptable: acceptableCases,
  },
  'elements.json': {
    $schema: './schema.json#/$defs/elements',
    about: 'Element trees: the one encoding of each, without the length of the field around it, and encodings that are malformed.',
    valid: validElements.map(({ name, tree, xml }) => ({ name, hex: toHex(elementBytes(tree)), tree, xml })),
    invalid: invalidElements,
  },
  'addresses.json': {
    $schema: './schema.json#/$defs/addresses',
    about: 'Names of users and devices, conversations and full addresses: the normalised form, or null where it is malformed.',
    names: nameCases,
    conversations: conversationCases,
    fullAddresses: fullAddressCases,
  },
  'text.json': {
    $schema: './schema.json#/$defs/text',
    about: 'Texts of messages as bytes, with 0 or the error that refuses them; passwords and what preparation makes of them, or null.',
    texts: textCases,
    passwords: passwordCases,
  },
  'tokens.json': {
    $schema: './schema.json#/$defs/tokens',
    about: 'Tokens of devices, as auth.data of TOKEN has them; and the dictionary of elements, each word with its number and what is malformed.',
    logins: loginTokenCases,
    dictionary: dictionaryCases,
  },
  'errors.json': {
    $schema: './schema.json#/$defs/errors',
    about: 'Every error with the frames that carry it; and errors of a later version, of which the range says what to do.',
    errors: errorCases,
    unknown: unknownErrorCases,
  },
}

/** A file's text: one vector a line, so that a change shows as a line. Beyond ASCII all is escaped: eyes and editors can't mend it. */
export function vectorText(content: object): string {
  const sections = Object.entries(content).map(([key, value]) => {
    const text = Array.isArray(value)
      ? `[\n${value.map((item: unknown) => `    ${JSON.stringify(item)}`).join(',\n')}\n  ]`
      : JSON.stringify(value)
    return `  ${JSON.stringify(key)}: ${text}`
  })
  const joined = `{\n${sections.join(',\n')}\n}\n`
  return joined.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
