import assert from 'node:assert/strict'
import { test } from 'node:test'
import { serverError } from '../../protocol/client/client-error.js'
import { ERROR } from '../../protocol/generated/registry.js'
import { refusalText } from './refusal.js'

test('a refusal is told to a person, with the name that was given', () => {
  assert.equal(refusalText(serverError(ERROR.noSuchConversation, 'there is no such conversation', 0), 'bob'), 'there is no conversation with bob')
  assert.equal(refusalText(serverError(ERROR.noSuchConversation, '', 0), '#skiing'), 'you are not in #skiing, or there is no such group')
  assert.equal(refusalText(serverError(ERROR.noSuchConversation, '', 0)), 'there is no such conversation, or you are not in it')
  assert.equal(refusalText(serverError(ERROR.contactBlocked, '', 0), 'bob'), 'you have blocked bob: unblock first')
  assert.equal(refusalText(serverError(ERROR.notAllowed, 'the role of the member does not allow it', 0), '#skiing'), 'your role in #skiing does not allow that: ask an admin or the owner')
})

test('what makes no sense to the server is said as the server says it', () => {
  assert.equal(refusalText(serverError(ERROR.badRequest, 'that is the user itself', 0)), 'that is the user itself')
})

test('a name of the wrong kind is told as that', () => {
  assert.equal(refusalText(serverError(ERROR.malformedAddress, 'user is no user', 0), '#skiing'), '#skiing is a group, and a user is asked for')
  assert.equal(refusalText(serverError(ERROR.malformedAddress, '', 0), 'b!'), '\'b!\' is no name of a user or a group')
})

test('where there is nothing better the sentence of the registry stands', () => {
  assert.equal(refusalText(serverError(ERROR.badRequest, '', 0)), 'The stanza is well-formed but makes no sense.')
  assert.equal(refusalText(serverError(ERROR.tooLate, '', 0)), 'The message is too old for this.')
  assert.equal(refusalText(new Error('the disk is full')), 'the disk is full')
})

test('a server can\'t write on the terminal with its reasons', () => {
  assert.doesNotMatch(refusalText(serverError(ERROR.badRequest, 'a\u001b[2Jb', 0)), /\u001b/)
})
