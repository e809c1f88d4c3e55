// A support person, an admin and a user at the demo, in a real browser, without JavaScript: the console must not need it.
import test, { before, after } from 'node:test'
import assert from 'node:assert/strict'
import { spawn, execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
const root = new URL('../../', import.meta.url).pathname
const dir = mkdtempSync(join(tmpdir(), 'resetd-browser-'))
let demo, world, browser

before(async () => {
  execFileSync('go', ['build', '-o', join(dir, 'resetd'), './cmd/resetd'], { cwd: root, stdio: 'inherit' })
  demo = spawn(join(dir, 'resetd'), ['demo', '-listen', '127.0.0.1:0', '-json'], { stdio: ['ignore', 'pipe', 'inherit'] })
  world = JSON.parse(await new Promise((ok, no) => {
    let text = ''
    demo.stdout.on('data', (b) => { text += b; if (text.includes('\n')) ok(text) })
    demo.on('exit', () => no(new Error('the demo ended')))
  }))
  for (let i = 0; ; i++) {
    if ((await fetch(world.url + '/readyz')).status === 200) break
    assert.ok(i < 600, 'the demo is not ready after a minute')
    await new Promise((ok) => setTimeout(ok, 100))
  }
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  })
})

after(async () => {
  await browser?.close()
  demo?.kill('SIGTERM')
  await new Promise((ok) => demo ? demo.on('exit', ok) : ok())
  rmSync(dir, { recursive: true, force: true })
})

// open gives a page of a browser of its own, signed in with a role's key.
async function open(role, options = {}) {
  const context = await browser.newContext({ javaScriptEnabled: false, ...options })
  const page = await context.newPage()
  await page.goto(world.url + '/')
  if (role) {
    await page.getByLabel('API key').fill(world.keys[role])
    await page.getByRole('button', { name: /sign in/i }).click()
  }
  return page
}

async function find(page, login) {
  await page.getByLabel('Login or address').fill(login)
  await page.locator('form[action="/console/find"] button').first().click()
}

// unfold opens what a page keeps folded away.
async function unfold(page) {
  const folded = page.locator('details:not([open]) > summary')
  while (await folded.count()) await folded.first().click()
}

const who = (cause) => world.people.find((p) => p.cause === cause)

// accessible loads the page's HTML into a page with JavaScript and lets axe look at it.
async function accessible(page, what) {
  const checker = await (await browser.newContext({ bypassCSP: true })).newPage()
  await checker.goto(world.url + '/')
  const link = page.locator('link[rel=stylesheet]')
  const style = await link.count() ? await link.first().getAttribute('href') : null
  await checker.setContent(await page.content(), { waitUntil: 'load' })
  if (style) await checker.addStyleTag({ url: new URL(style, page.url()).href })
  await checker.evaluate(axe)
  const { violations } = await checker.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa'] }))
  assert.deepEqual(violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.html).join(' ')), [], what)
  await checker.context().close()
}

test('a wrong key is told so, and nothing is shown', async () => {
  const page = await open()
  await page.getByLabel('API key').fill('nonsense')
  await page.getByRole('button', { name: /sign in/i }).click()
  assert.ok(await page.getByLabel('API key').isVisible())
  assert.equal(await page.getByLabel('Login or address').count(), 0)
  await accessible(page, 'sign-in')
})

test('the seed story is one look-up', async () => {
  const page = await open('support')
  const jo = who('account.sso')
  await find(page, jo.login)
  const text = await page.locator('main').innerText()
  assert.match(text, /Acme ID/)
  assert.match(text, /hide the reset button/i)
  assert.ok(!page.url().includes('@'), 'an address stands in the URL')
  await accessible(page, 'a case')
})

test('a resend that is futile is refused with what to do; forcing it is offered and audited', async () => {
  const page = await open('support')
  await find(page, who('recipient.unknown_mailbox').login)
  await unfold(page)
  const form = page.locator('form[action="/console/resend"]').first()
  await form.getByLabel(/why/i).fill('asked by phone')
  await form.getByRole('button').first().click()
  const force = page.getByLabel(/all the same/i)
  assert.ok(await force.isVisible(), 'the refusal offers to send all the same')
  await force.check()
  const again = page.locator('form[action="/console/resend"]').first()
  await again.getByLabel(/why/i).fill('they insist')
  await again.getByRole('button').first().click()
  assert.equal(await page.getByLabel(/all the same/i).count(), 0, await page.locator('main').innerText())
  const admin = await open('admin')
  await admin.getByRole('link', { name: /audit/i }).click()
  assert.match(await admin.locator('main').innerText(), /they insist/)
  await accessible(admin, 'audit')
})

test('a first resend that helps goes out', async () => {
  const page = await open('support')
  await find(page, 'quin@quiet.example')
  await unfold(page)
  const form = page.locator('form[action="/console/resend"]').first()
  await form.getByLabel(/why/i).fill('not in any folder')
  await form.getByRole('button').first().click()
  await find(page, 'quin@quiet.example')
  assert.match(await page.locator('main').innerText(), /not in any folder/)
})

test('ops holds the queue and lets it go on', async () => {
  const page = await open('ops')
  await page.getByRole('link', { name: /queue/i }).click()
  await accessible(page, 'queue')
  assert.match(await page.locator('main').innerText(), /night/)
  assert.equal(await page.getByLabel('Login or address').count(), 0, 'ops looks nobody up')
})

test('what receivers report about a domain is drawn, and told in tables', async () => {
  const page = await open('support')
  await page.getByRole('link', { name: /domains/i }).click()
  await page.getByRole('link', { name: /what receivers report/i }).first().click()
  const text = await page.locator('main').innerText()
  assert.match(text, /in the name of/)
  assert.ok(await page.getByRole('img', { name: /our own mail, by day/i }).isVisible())
  assert.match(await page.getByRole('region', { name: 'Reports by day' }).innerText(), /2026|20\d\d/)
  assert.ok(await page.getByRole('region', { name: 'Mail by source' }).isVisible())
  await accessible(page, 'reports')
})

test('evil words of a mail host are only words', async () => {
  const page = await open('support')
  await find(page, '<img src=x onerror=alert(1)>@"x.example')
  assert.equal(await page.locator('main img').count(), 0)
})

// fits loads a page's HTML into a small screen and measures it.
async function fits(page, what) {
  const small = await browser.newContext({ viewport: { width: 360, height: 740 }, bypassCSP: true })
  const p = await small.newPage()
  await p.goto(world.url + '/')
  await p.setContent(await page.content())
  const style = await page.locator('link[rel=stylesheet]').first().getAttribute('href')
  await p.addStyleTag({ url: new URL(style, world.url).href })
  const over = await p.evaluate(() => document.documentElement.scrollWidth - innerWidth)
  assert.ok(over <= 0, `${what} is ${over} px wider than the screen`)
  await small.close()
}

test('every page fits a small screen, and is accessible', async () => {
  const page = await open('admin')
  for (const cause of ['sender.dmarc_rejected', 'account.sso', 'request.near_match']) {
    await page.goto(world.url + '/')
    await find(page, who(cause).login)
    await fits(page, cause)
    await accessible(page, cause)
  }
  await page.getByRole('link', { name: 'Every dialogue' }).first().click()
  await fits(page, 'a reset')
  await accessible(page, 'a reset')
  for (const name of ['queue', 'incidents', 'stops', 'explain', 'domains', 'domains/acme.example/reports', 'probe', 'tray', 'audit']) {
    await page.goto(world.url + '/console/' + name)
    await fits(page, name)
    await accessible(page, name)
  }
})

test('an incident: a case leads to it, ops see who waits and are kept from sending too early', async () => {
  const page = await open('admin')
  for (let i = 0; ; i++) { // the worker looks for incidents by a clock of its own
    await page.goto(world.url + '/console/incidents')
    if (await page.locator('article h3 a').count()) break
    assert.ok(i < 300, 'no incident is found')
    await new Promise((ok) => setTimeout(ok, 100))
  }
  await page.goto(world.url + '/')
  await find(page, who('sender.blocklisted').login)
  await accessible(page, 'a case under an incident')
  await page.getByRole('link', { name: 'Open the incident' }).click()
  const text = await page.locator('main').innerText()
  for (const words of [/Goes on/, /bigmail\.example/, /sender\.blocklisted/, /7 of 7 mails/, /Who still waits: 7/]) assert.match(text, words)
  await fits(page, 'an incident')
  await accessible(page, 'an incident')
  await page.getByLabel(/what was mended/i).fill('the list let us go')
  await page.getByRole('button', { name: 'Send again to 7' }).click()
  assert.match(await page.locator('main').innerText(), /Nothing was sent: the incident goes on/)
  await page.getByLabel(/although it goes on/i).check()
  await page.getByRole('button', { name: 'Send again to 7' }).click()
  const after = await page.locator('main').innerText()
  assert.match(after, /7 mails are booked/)
  assert.match(after, /Who still waits: 0/)
  await accessible(page, 'an incident after a resend')

  const ops = await open('ops')
  await ops.getByRole('link', { name: 'Incidents' }).click()
  await ops.locator('article h3 a').first().click()
  assert.equal(await ops.locator('a[href^="/console/resets"]').count(), 0, 'ops are led where they may not go')
})

test('a dead link says so in words', async () => {
  const page = await open()
  const answer = await page.goto(world.url + '/r/' + 'A'.repeat(51))
  assert.equal(answer.status(), 410)
  assert.equal(answer.headers()['referrer-policy'], 'no-referrer')
  await accessible(page, 'a dead link')
})
