// The whole conversation of examples/celebrity-sleuth through the phone's page.
// node conversation.js <endpoint> <webhook> <folder of pictures> [<folder for screenshots>]
'use strict';
const path = require('node:path');
const { chromium } = require('playwright-core');

const [endpoint, webhook, pictures, shots] = process.argv.slice(2);

async function main() {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
  try {
    // As narrow as a phone.
    const page = await browser.newPage({ viewport: { width: 360, height: 720 } });
    const errors = [];
    page.on('pageerror', (error) => errors.push(String(error)));
    // A browser tells of an answer 400, too, and one is asked for.
    page.on('console', (line) => line.type() === 'error' && !line.text().includes('status of 400') && errors.push(line.text()));
    await page.goto(`${endpoint}/_aloft/phone`);
    await page.getByText('Nobody to talk to yet').waitFor();

    // Give a number to the application, with the keyboard only.
    const begin = page.getByRole('button', { name: 'Give a number' });
    const isReached = () => begin.evaluate((it) => it === document.activeElement);
    for (let tabs = 0; tabs < 10 && !(await isReached()); tabs += 1) await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByLabel("The application's number").fill('+15550100');
    await page.getByLabel('Its webhook').fill('nowhere');
    await page.keyboard.press('Enter');
    await page.getByText('nowhere is not an address that can be called').waitFor();
    await page.getByLabel('Its webhook').fill(webhook);
    if (shots) await page.screenshot({ path: path.join(shots, 'settings.png') });
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Nobody to talk to yet').waitFor({ state: 'hidden' });
    await page.getByRole('button', { name: 'Settings' }).click();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });

    const say = async (text, picture, answer) => {
      const before = await page.locator('li').count();
      const message = page.getByLabel('Message', { exact: true });
      await message.fill(text);
      if (picture) {
        await page.locator('#file').setInputFiles(path.join(pictures, picture));
        await page.locator('#attached img').waitFor();
        await page.getByRole('button', { name: 'Send', exact: true }).click();
      } else {
        await message.press('Enter');
      }
      await page.locator(`li.theirs:nth-child(n+${before + 1})`, { hasText: answer }).first().waitFor({ timeout: 60_000 });
    };
    await say('face addcol actors', null, 'Made the collection actors.');
    await say('face addimg actors ada_quill', 'ada_quill-1.jpg', 'Added Ada Quill to actors.');
    await say('face addimg actors bruno_vale', 'bruno_vale-1.jpg', 'Added Bruno Vale to actors.');
    await say('face match actors', 'ada_quill-2.jpg', /Ada Quill \(similarity [89]\d\.\d%.*Born 1971/);
    if (shots) await page.screenshot({ path: path.join(shots, 'conversation.png') });
    await say('face dance', null, 'Commands: face addcol <collection> |');

    // The pictures are shown, so is the newest message, nothing is wider than the screen: also after a reload, on a wide screen.
    const said = await page.locator('li').count();
    const looks = () => page.evaluate(async () => {
      await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
      const inView = (it, within) => it.bottom <= within.bottom + 1 && it.top >= within.top && it.right <= window.innerWidth;
      const newest = document.querySelector('li:last-child').getBoundingClientRect();
      return {
        images: [...document.querySelectorAll('li img')].filter((image) => !image.naturalWidth).length,
        hidden: !inView(newest, document.getElementById('conversation').getBoundingClientRect()),
        wide: document.documentElement.scrollWidth > window.innerWidth,
      };
    });
    const wrong = [await looks()];
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.reload();
    await page.locator(`li:nth-child(${said})`).waitFor();
    wrong.push(await looks());
    if (shots) await page.screenshot({ path: path.join(shots, 'wide.png') });
    if (wrong.some((it) => it.images || it.hidden || it.wide) || errors.length) throw new Error(JSON.stringify({ wrong, errors }));
    console.log('ok');
  } finally {
    await browser.close();
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
