import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ackJson, ackText, deviceJson, deviceText, INCOMPLETE_NOTE, localTime, messageJson, messageText } from './formats.js'

const TIME = 1_767_225_600_123

test('an ack line has the fields of the contract in their order, time in Unix milliseconds', () => {
  const ack = { to: 'bob', clientId: 3, seq: 7, timeMs: TIME }
  assert.equal(ackJson(ack), `{"to":"bob","clientId":3,"seq":7,"time":${TIME}}`)
  assert.match(ackText(ack), /^sent to bob as number 7 at /)
})

test('a message line has the fields of the contract in their order, with index only where it has one', () => {
  const message = { conversation: 'bob', from: 'bob', seq: 2, timeMs: TIME, text: 'hi', isIncomplete: false }
  assert.equal(messageJson({ ...message, index: 9 }), `{"conversation":"bob","from":"bob","seq":2,"index":9,"time":${TIME},"text":"hi"}`)
  assert.equal(messageJson(message), `{"conversation":"bob","from":"bob","seq":2,"time":${TIME},"text":"hi"}`)
})

test('a message for people stays on one line whatever it holds', () => {
  const text = messageText({ conversation: 'bob', from: 'bob', seq: 2, timeMs: TIME, text: 'a\nb\u001b[2J', isIncomplete: false })
  assert.equal(text, `${localTime(TIME)}  bob: a ⏎ b␛[2J`)
  assert.equal(messageText({ conversation: 'bob', from: 'alice', seq: 2, timeMs: TIME, text: 'x', isIncomplete: false }), `${localTime(TIME)}  alice → bob: x`)
})

test('a deleted message is marked as one, also where it comes as a message without a text', () => {
  const message = { conversation: 'bob', from: 'bob', seq: 2, timeMs: TIME, text: '', isIncomplete: false, extensions: new Uint8Array(0) }
  assert.equal(messageJson(message), `{"conversation":"bob","from":"bob","seq":2,"time":${TIME},"text":"","deleted":true}`)
  assert.equal(messageText(message), `${localTime(TIME)}  bob: [deleted]`)
  assert.equal(messageText({ ...message, isDeleted: true }), `${localTime(TIME)}  bob: [deleted]`)
  const unknown = { ...message, extensions: Uint8Array.of(2, 1, 7), isIncomplete: true }
  assert.equal(messageText(unknown), `${localTime(TIME)}  bob:  ${INCOMPLETE_NOTE}`, 'what this version can\'t show is not deleted')
})

test('[FRM-7] a message that has more to it says so, to scripts and to people', () => {
  const message = { conversation: 'bob', from: 'bob', seq: 2, timeMs: TIME, text: 'look', isIncomplete: true }
  assert.equal(messageJson(message), `{"conversation":"bob","from":"bob","seq":2,"time":${TIME},"text":"look","incomplete":true}`)
  assert.equal(messageText(message), `${localTime(TIME)}  bob: look ${INCOMPLETE_NOTE}`)
})

test('a device line tells the device that asks', () => {
  const device = { device: 'phone', name: 'Pixel', createdMs: TIME, lastActiveMs: TIME, current: true }
  assert.equal(deviceJson(device), `{"device":"phone","name":"Pixel","created":${TIME},"lastActive":${TIME},"current":true}`)
  assert.match(deviceText(device), /^phone {2}Pixel {2}last active .* \(this one\)$/)
})
