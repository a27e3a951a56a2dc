/** The public surface of `chatd/protocol`: bytes, frames, addresses and tables, without sockets or timers, for Node and browsers. */
export {
  ACTIVITY, ALPN, CHANNEL_BINDINGS, DICTIONARY_VERSION, ERROR, ERRORS, EXTENSION, FRAME, FRAMES, LIMIT, LIST, MARK, MECHANISMS, OPERATION,
  PORTS, PRESENCE,
  PROTOCOL_VERSION, RESUME, SUBPROTOCOL, TOKENS, TYPING,
} from './generated/registry.js'
export type { ErrorCode, ErrorInfo, FieldInfo, FieldType, FrameInfo } from './generated/registry.js'
export {
  decodeFrame, encodeAck, encodeActivity, encodeAuth, encodeAuthenticated, encodeBind, encodeChallenge, encodeChange, encodeChanged, encodeClose,
  encodeCursor, encodeDecline, encodeDelivery, encodeDeliveryFrom, encodeDone, encodeFail, encodeFeatures, encodeFrame, encodeHello, encodeMark,
  encodeMessage, encodeOperate, encodeOperation, encodePing, encodePong, encodePresence, encodeQuery, encodeReceipt, encodeRefuse, encodeRegister, encodeRegistered,
  encodeResponse, encodeResult,
  encodeSkip, encodeTyping, encodeTypingFrom, encodeUnwatch, encodeWatch, encodeWelcome,
} from './generated/frames.js'
export type {
  AckFrame, ActivityFrame, AuthFrame, AuthenticatedFrame, BindFrame, ChallengeFrame, ChangedFrame, ChangeFrame, CloseFrame, CursorFrame,
  DeclineFrame, DeliveryFrame, DeliveryFromFrame, DoneFrame, FailFrame, FeaturesFrame, Frame, HelloFrame, MarkFrame, MessageFrame, OperateFrame,
  OperationFrame, PingFrame,
  PongFrame, PresenceFrame, QueryFrame, ReceiptFrame, RefuseFrame, RegisteredFrame, RegisterFrame,
  ResponseFrame, ResultFrame, SkipFrame, TypingFrame,
  TypingFromFrame, UnwatchFrame, WatchFrame, WelcomeFrame,
} from './generated/frames.js'
export { FrameDecoder } from './frame-decoder.js'
export { checkExtensions, checkMessageExtensions, decodeExtensions, encodeExtensions, findExtension } from './extensions.js'
export type { Extension, ExtensionsCheck } from './extensions.js'
export { childOf, element, textOf, uintAttribute } from './element.js'
export type { Element } from './element.js'
export { isGroup, normalizeConversation, normalizeDevice, normalizeGroup, normalizeUser, parseFullAddress } from './address.js'
export { decodeRegistrationOffer, encodeRegistrationOffer } from './registration.js'
export type { RegistrationOffer } from './registration.js'
export { preparePassword } from './password.js'
export { checkText } from './text.js'
export { isReaction } from './reaction.js'
export { expiryOf, isExpired } from './expiry.js'
export { encodeAttachments, hasAttachments, isBlobId, isFileName, isMediaType, readAttachments } from './attachments.js'
export type { Attachment } from './attachments.js'
export { encodeReferences, readReferences } from './references.js'
export type { References } from './references.js'
export { decodeText, encodeText } from './utf8.js'
export { EMPTY_BYTES, concatBytes, equalBytes } from './bytes.js'
export { backOffMs } from './back-off.js'
export { decodeBase64, encodeBase64 } from './base64.js'
export { SCRAM_SALT_BYTES, deriveFakeVerifier, deriveVerifier } from './scram.js'
export type { ScramCrypto, ScramVerifier } from './scram.js'
export { ScramClient } from './scram-client.js'
export type { ChannelBinding, ScramClientOptions, ScramFailure } from './scram-client.js'
export { ScramServer } from './scram-server.js'
export type { ScramRefusal, ScramServerOptions } from './scram-server.js'
export { webCrypto } from './web-crypto.js'
