// What the programs beside this one share. Each reads what to do from standard
// input, as JSON, and writes what came of it to standard output.
import { text } from 'node:stream/consumers'

export const input = JSON.parse(await text(process.stdin))

// attempt has prepare make a way to get a token for each case, and gets two by it.
export async function attempt(prepare) {
  const results = []
  for (const c of input.cases) {
    const result = { name: c.name, tokens: [] }
    try {
      const get = await prepare(c)
      result.tokens.push(await get(), await get())
    } catch (err) {
      result.error = await describe(err)
    }
    results.push(result)
  }
  console.log(JSON.stringify(results))
}

// describe is what a caller can find out about an error.
export async function describe(err) {
  return {
    class: err.constructor.name,
    code: err.code,
    message: err.message,
    error: err.error ?? (await err.response?.json().catch(() => undefined))?.error,
    status: err.status ?? err.response?.status,
  }
}
