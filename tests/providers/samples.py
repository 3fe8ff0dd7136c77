"""Texts of many kinds, and how many tokens the tokenizers of real models make of them.

Measured with the vocabularies of GPT-4 (cl100k), GPT-4o (o200k), Claude 2, Llama 3.1 and Gemma 3, without markers
around the text; the greatest count is kept.
"""

# ruff: noqa: E501, RUF001 (letters that look like others, in long lines)

import base64
import hashlib

NOISE = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(32))
"""A kilobyte without any pattern, the same everywhere."""


def spelled(alphabet: str, noise: bytes = NOISE) -> str:
    return "".join(alphabet[byte % len(alphabet)] for byte in noise)


TEXTS = {
    "english": (
        "The customer wrote on Monday that the lamp had arrived without its shade, and asked whether a replacement "
        "could be sent before the weekend. Nobody answered until Thursday, when the warehouse found out that the "
        "whole shipment had been packed by a new machine."
    ),
    "german": (
        "Die Bundesversicherungsanstalt prüft die Übertragung der Zuständigkeiten; Straßenverkehrsgenehmigungen "
        "müssen künftig früher beantragt werden, größere Änderungen natürlich auch."
    ),
    "polish": "Zażółć gęślą jaźń. Wczoraj przyszła przesyłka, lecz brakowało w niej żarówki i części oprawy świetlnej.",
    "vietnamese": "Khách hàng viết rằng chiếc đèn đã đến nơi mà không có chụp, và hỏi liệu có thể gửi bù trước cuối tuần.",
    "russian": "Покупатель написал в понедельник, что лампа пришла без абажура, и спросил, можно ли прислать замену.",
    "greek": "Ο πελάτης έγραψε τη Δευτέρα ότι το φωτιστικό έφτασε χωρίς αμπαζούρ και ρώτησε αν μπορεί να αντικατασταθεί.",
    "arabic": "كتب الزبون يوم الاثنين أن المصباح وصل من دون غطائه، وسأل إن كان يمكن إرسال بديل قبل نهاية الأسبوع.",
    "hebrew": "הלקוח כתב ביום שני שהמנורה הגיעה בלי האהיל, ושאל אם אפשר לשלוח תחליף לפני סוף השבוע.",
    "hindi": "ग्राहक ने सोमवार को लिखा कि लैंप बिना शेड के पहुँचा है, और पूछा कि क्या सप्ताहांत से पहले दूसरा भेजा जा सकता है।",
    "tamil": "விளக்கு அதன் நிழலின்றி வந்து சேர்ந்தது என்று வாடிக்கையாளர் திங்களன்று எழுதினார்.",
    "bengali": "গ্রাহক সোমবার লিখেছেন যে বাতিটি ঢাকনা ছাড়াই এসেছে এবং সপ্তাহান্তের আগে বদলি চেয়েছেন।",
    "thai": "ลูกค้าเขียนมาเมื่อวันจันทร์ว่าโคมไฟมาถึงโดยไม่มีโป๊ะ และถามว่าจะส่งอันใหม่ให้ก่อนสุดสัปดาห์ได้หรือไม่",
    "burmese": "ဖောက်သည်က တနင်္လာနေ့တွင် မီးအိမ်သည် အဖုံးမပါဘဲ ရောက်လာသည်ဟု ရေးသားခဲ့သည်။",
    "georgian": "მომხმარებელმა ორშაბათს დაწერა, რომ ნათურა აბაჟურის გარეშე მივიდა.",
    "armenian": "Հաճախորդը երկուշաբթի գրեց, որ լամպը եկել է առանց լուսամփոփի։",
    "amharic": "ደንበኛው ሰኞ ዕለት መብራቱ ያለ ሽፋኑ እንደደረሰ ጽፏል።",
    "tibetan": "བོད་ཡིག་གི་ཚིག་གྲུབ་འདི་ནི་ཚོད་ལྟ་ཞིག་རེད།",
    "chinese": "客户周一来信说台灯送到时没有灯罩，问能否在周末前补寄一个。直到周四才有人回复，仓库发现整批货都是新机器包装的。",
    "rare chinese": "龘靐齉齾爩鱻麤龗灪籲癵饢驫鸜麷鼺鸝韊饟釁顳讟戇纞虋",
    "japanese": "お客様は月曜日に、ランプがシェードなしで届いたと書き、週末までに代わりを送れるかと尋ねました。",
    "korean": "고객은 월요일에 램프가 갓 없이 도착했다고 쓰고 주말 전에 새것을 보내 줄 수 있는지 물었습니다.",
    "emoji": "🎉🔥😀🤖🧪🚀🍕🐙🏳️‍🌈👨‍👩‍👧‍👦👩🏽‍🚒🇩🇪🇰🇪🧑‍💻✅❌⚠️🫠🪿🩷",
    "symbols": "∀x∈ℝ: ⌈x⌉ = −⌊−x⌋, α ∧ ¬β ⇒ ∮ E·dA = Q/ε₀ │┌─┐└┘█▓▒░ ①②③ ½ ⅞ ™ © … – — „“ ‚‘",
    "fancy letters": "𝕿𝖍𝖊 𝖖𝖚𝖎𝖈𝖐 𝓫𝓻𝓸𝔀𝓷 𝔣𝔬𝔵 Ｊｕｍｐｓ ｏｖｅｒ Z̸̢a̶͝l̴̨g̵͠o̷",
    "json": '{"items":[{"id":48213,"sku":"LMP-0042-X","price":"39.90","tags":["a","b"],"ok":true},{"id":7,"sku":null}]}',
    "code": "def f(x):\n    if x[0] != y[1]:\n        return {k: v**2 for k, v in x.items() if (k & 0xFF) >= 3}\n    x += 1\n",
    "html": '<div class="card"><a href="/p/42?x=1&amp;y=2"><img src="/m/42.png" alt=""/></a><td>&nbsp;</td></div>\n',
    "table": "| id | name | qty |\n|----|------|-----|\n| 17 | Lamp |   3 |\n| 18 | Chair|  12 |\n",
    "digits": spelled("0123456789"),
    "numbers": " ".join(str(byte * 7919) for byte in NOISE[:128]),
    "hexadecimal": NOISE[:256].hex(),
    "base64": base64.b64encode(NOISE[:384]).decode(),
    "lower case noise": spelled("abcdefghijklmnopqrstuvwxyz"),
    "upper case noise": spelled("ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    "mixed case noise": spelled("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    "punctuation": spelled("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
    "upper case": "THE CUSTOMER WROTE ON MONDAY THAT THE LAMP HAD ARRIVED WITHOUT ITS SHADE AND ASKED FOR A REPLACEMENT.",
    "white space": "\n\n  \t x\r\n\r\n\t\t y \n \n z\t\t\t\n" * 8,
    "controls": spelled("".join(map(chr, range(1, 32)))),
    "words apart": " ".join(spelled("abcdefghijklmnopqrstuvwxyz", NOISE[n : n + 5]) for n in range(0, 500, 5)),
}

MEASURED = {
    "english": 48,
    "german": 60,
    "polish": 62,
    "vietnamese": 75,
    "russian": 52,
    "greek": 115,
    "arabic": 89,
    "hebrew": 78,
    "hindi": 116,
    "tamil": 151,
    "bengali": 151,
    "thai": 183,
    "burmese": 142,
    "georgian": 120,
    "armenian": 111,
    "amharic": 93,
    "tibetan": 126,
    "chinese": 62,
    "rare chinese": 69,
    "japanese": 52,
    "korean": 59,
    "emoji": 97,
    "symbols": 81,
    "fancy letters": 90,
    "json": 49,
    "code": 54,
    "html": 46,
    "table": 39,
    "digits": 1024,
    "numbers": 947,
    "hexadecimal": 452,
    "base64": 365,
    "lower case noise": 555,
    "upper case noise": 608,
    "mixed case noise": 666,
    "punctuation": 691,
    "upper case": 35,
    "white space": 129,
    "controls": 1024,
    "words apart": 292,
}
"""The most tokens that one of the five vocabularies makes of each text."""
