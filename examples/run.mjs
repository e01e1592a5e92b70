// Runs an example and prints what it returns: `node examples/run.mjs kinds/work-queue`. It uses the build that `npm install` makes.
import { createJiti } from "jiti"
import { inspect } from "node:util"

const [name = "quick-start", ...given] = process.argv.slice(2)
const { main } = await createJiti(import.meta.url).import(`./${name}.ts`)
console.log(inspect(await main(...given), { depth: 8, breakLength: 120 }))
