// Computes content ids with the npm packages multiformats, @ipld/dag-pb and ipfs-unixfs, which are not ours; prints which differ.
import { readFileSync } from 'node:fs'
import * as dagPb from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'

const CHUNK = 256 * 1024
const SINGLE = 1024 * 1024
const LINKS = 174

const node = async (codec, bytes, size, total) => ({
  cid: CID.createV1(codec, await sha256.digest(bytes)), size: BigInt(size), total
})

async function parent (children) {
  const file = new UnixFS({ type: 'file', blockSizes: children.map((child) => child.size) })
  const links = children.map((child) => ({ Name: '', Tsize: child.total, Hash: child.cid }))
  const bytes = dagPb.encode(dagPb.prepare({ Data: file.marshal(), Links: links }))
  const size = children.reduce((sum, child) => sum + child.size, 0n)
  const total = children.reduce((sum, child) => sum + child.total, bytes.length)
  return node(dagPb.code, bytes, size, total)
}

async function id (content) {
  if (content.length <= SINGLE) return (await node(raw.code, content, content.length, content.length)).cid
  let level = []
  for (let at = 0; at < content.length; at += CHUNK) {
    const leaf = content.subarray(at, at + CHUNK)
    level.push(await node(raw.code, leaf, leaf.length, leaf.length))
  }
  do {
    const above = []
    for (let at = 0; at < level.length; at += LINKS) above.push(await parent(level.slice(at, at + LINKS)))
    level = above
  } while (level.length > 1)
  return level[0].cid
}

const differ = []
const contents = JSON.parse(readFileSync(process.argv[2], 'utf8'))
for (const { size, id: expected } of contents) {
  const content = new Uint8Array(size)
  for (let at = 0; at < size; at++) content[at] = (at * 31) >>> 3
  const found = (await id(content)).toString()
  if (found !== expected) differ.push({ size, expected, found })
}
console.log(JSON.stringify({ compared: contents.length, differ }))
