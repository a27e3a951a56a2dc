/** Uploads that end while something else happens to them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMIT } from '../../protocol/generated/registry.js'
import { bearer, content, errorOf, httpRig, tus } from './testing/http-rig.js'

const PNG = Buffer.from('89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489', 'hex')

test('an upload whose time is up while a picture is looked at is over, and leaves nothing', async (t) => {
  const rig = await httpRig(t, {
    preview: async () => {
      // As its time does, and the removal of its user.
      await rig.commands.abandonUpload(slot.id)
      await rig.files(0)
      return null
    },
  })
  const slot = await rig.slot(PNG, { type: 'image/png' })
  const answer = await rig.request('PUT', slot.url, bearer(slot), PNG)
  assert.deepEqual([answer.status, errorOf(answer)], [410, 'no-such-blob'])
  assert.equal(rig.counters.blobStoreErrors.size, 0)
  await rig.files(0)
})

test('a picture too long for an attachment to tell is described without its size', async (t) => {
  let width: number = LIMIT.attachmentPixelsMax
  const rig = await httpRig(t, { preview: async () => ({ width, height: 10, placeholder: new Uint8Array(3), renditions: [] }) })
  const described = async (bytes: Buffer): Promise<unknown> => {
    await rig.uploaded(bytes)
    const blob = await rig.blob(bytes)
    return [blob?.width, blob?.height, blob?.placeholder.length]
  }
  assert.deepEqual(await described(PNG), [width, 10, 3])
  width++
  assert.deepEqual(await described(Buffer.concat([PNG, Buffer.from('longer')])), [0, 0, 3])
})

test('bytes that come to an upload whose time has just come are erased with it', async (t) => {
  const rig = await httpRig(t)
  const bytes = content(1000)
  const slot = await rig.slot(bytes)
  assert.equal((await rig.request('PATCH', slot.url, tus(slot, 0), bytes.subarray(0, 10))).status, 204)
  const upload = rig.commands.upload.bind(rig.commands)
  t.mock.method(rig.commands, 'upload', async (id: string) => {
    const found = await upload(id)
    await rig.commands.abandonUpload(id)
    await rig.files(0)
    return found
  })
  const { status } = await rig.request('PUT', slot.url, bearer(slot), bytes)
  // 423: whoever erases has not let go of it yet, though its files are gone.
  assert.ok(status === 410 || status === 423, String(status))
  await rig.files(0)
})

test('a POST does not end an upload that another request writes to by now', { timeout: 60_000 }, async (t) => {
  const rig = await httpRig(t)
  const bytes = content(1000)
  const slot = await rig.slot(bytes)
  const { origin, commands } = rig
  const [upload, storing] = [commands.upload.bind(commands), commands.storing.bind(commands)]
  let patched: Promise<{ status: number }> | null = null
  let store: () => void = () => {}
  const stored = new Promise<void>((resolve) => { store = resolve })
  const isEnding = new Promise<void>((resolve) => {
    t.mock.method(commands, 'storing', async (...given: Parameters<typeof storing>) => {
      resolve()
      await stored
      return storing(...given)
    })
  })
  let asked = 0
  t.mock.method(commands, 'upload', async (id: string) => {
    // The library's second look, when the lock is free again.
    if (++asked === 2) {
      patched = rig.request('PATCH', slot.url, tus(slot, 0), bytes)
      await isEnding
    }
    return upload(id)
  })
  const answer = await rig.request('POST', `${origin}/blobs/uploads`, { ...tus(slot), 'upload-length': '1000' })
  assert.equal(answer.status, 201)
  store()
  assert.equal((await patched!)?.status, 204)
})
