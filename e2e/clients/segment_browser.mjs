// Sends one sign-up with npm @segment/analytics-next from a page in headless Chromium.
// Arguments: server address, write key, user id. The page is served from another port than the server, so every
// request is a cross-origin one, as on a customer's web site.
import { createServer } from 'node:http'
import { once } from 'node:events'
import { build } from 'esbuild'
import { chromium } from 'playwright-core'

const PAGE_TIMEOUT_MS = 30_000
const CHROMIUM_ARGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

const PAGE_SCRIPT = `
  import { AnalyticsBrowser } from '@segment/analytics-next'
  window.signUp = async ({ server, writeKey, userId }) => {
    const { host, protocol } = new URL(server)
    const [analytics] = await AnalyticsBrowser.load(
      { writeKey, cdnURL: server },
      { integrations: { 'Segment.io': { apiHost: host + '/v1', protocol: protocol.replace(':', '') } } },
    )
    await analytics.page('Home')
    await analytics.track('pricing_viewed')
    await analytics.identify(userId, { email: userId + '@example.com', first_name: 'Noor' })
    await analytics.group(userId + '-account', { name: 'Northbeam' })
    await analytics.track('signed_up', { plan: 'pro' })
  }
`

const [server, writeKey, userId] = process.argv.slice(2)

const bundle = await build({
  stdin: { contents: PAGE_SCRIPT, resolveDir: import.meta.dirname },
  bundle: true,
  format: 'iife',
  write: false,
  define: { 'process.env.NODE_ENV': '"production"' },
})
const html = `<!doctype html><title>Home</title><script>${bundle.outputFiles[0].text.replaceAll('</script', '<\\/script')}</script>`

const site = createServer((_request, response) => {
  response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(html)
})
site.listen(0, '127.0.0.1')
await once(site, 'listening')

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: CHROMIUM_ARGS,
})
try {
  const page = await browser.newPage()
  const answers = []
  const failures = []
  page.on('response', (response) => {
    if (response.url().startsWith(server)) {
      answers.push(`${response.status()} ${response.request().method()} ${new URL(response.url()).pathname}`)
    }
  })
  page.on('requestfailed', (request) => failures.push(`${request.url()}: ${request.failure()?.errorText}`))
  page.on('pageerror', (error) => failures.push(String(error)))

  await page.goto(`http://127.0.0.1:${site.address().port}/`, { timeout: PAGE_TIMEOUT_MS })
  await page.evaluate((call) => window.signUp(call), { server, writeKey, userId })
  await page.waitForLoadState('networkidle', { timeout: PAGE_TIMEOUT_MS })
  console.log(JSON.stringify({ answers, failures }))
} finally {
  await browser.close()
  site.close()
}
