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
    page.on('console', (line) => line.type() === 'error' && errors.push(line.text()));
    await page.goto(`${endpoint}/_aloft/phone`);
    await page.getByText('Nobody to talk to yet').waitFor();

    // Give a number to the application.
    await page.getByRole('button', { name: 'Settings' }).click();
    await page.getByLabel("The application's number").fill('+15550100');
    await page.getByLabel('Its webhook').fill(webhook);
    if (shots) await page.screenshot({ path: path.join(shots, 'settings.png') });
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Nobody to talk to yet').waitFor({ state: 'hidden' });

    const say = async (text, picture, answer) => {
      const before = await page.locator('li').count();
      await page.getByLabel('Message', { exact: true }).fill(text);
      if (picture) {
        await page.locator('#file').setInputFiles(path.join(pictures, picture));
        await page.locator('#attached img').waitFor();
      }
      await page.getByRole('button', { name: 'Send', exact: true }).click();
      await page.locator(`li.theirs:nth-child(n+${before + 1})`, { hasText: answer }).first().waitFor({ timeout: 60_000 });
    };
    await say('face addcol actors', null, 'Made the collection actors.');
    await say('face addimg actors ada_quill', 'ada_quill-1.jpg', 'Added Ada Quill to actors.');
    await say('face addimg actors bruno_vale', 'bruno_vale-1.jpg', 'Added Bruno Vale to actors.');
    await say('face match actors', 'ada_quill-2.jpg', /Ada Quill \(similarity [89]\d\.\d %.*Born 1971/);
    if (shots) await page.screenshot({ path: path.join(shots, 'conversation.png') });
    await say('face dance', null, 'Commands: face addcol <collection> |');

    // The pictures are shown, so is the newest message, nothing is wider than the screen, and the conversation is there after a reload.
    const wrong = await page.evaluate(() => ({
      images: [...document.querySelectorAll('li img')].filter((image) => !image.naturalWidth).length,
      hidden: (({ scrollHeight, scrollTop, clientHeight }) => scrollHeight - scrollTop - clientHeight > 80)(document.getElementById('conversation')),
      wide: document.documentElement.scrollWidth > window.innerWidth,
    }));
    const said = await page.locator('li').count();
    await page.reload();
    await page.locator(`li:nth-child(${said})`).waitFor();
    if (wrong.images || wrong.hidden || wrong.wide || errors.length) throw new Error(JSON.stringify({ wrong, errors }));
    console.log('ok');
  } finally {
    await browser.close();
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
