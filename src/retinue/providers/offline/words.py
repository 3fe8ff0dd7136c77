"""The word lists by which the offline model goes: what can be ignored, what asks, what acts, what praises."""

from __future__ import annotations


def word_set(text: str) -> frozenset[str]:
    """The words of a text that is a list of them."""
    return frozenset(text.split())


STOP = word_set(
    """a about above after again against ago all also although always am an and any anybody anyone anything are aren't
    around as at away be because been before being below between both but by can can't cannot could couldn't did
    didn't do does doesn't doing don't done dont down during each either else ever every everyone everything few
    first for from further get gets getting got had hadn't has hasn't have haven't having he her here hers him his
    how however i i'd i'll i'm i've if in instead into is isn't it it's its itself just last let let's lets like
    make many may maybe me might mine more most much must my myself need needs never no nor not nothing now of off
    often on once one ones only or other others otherwise ought our ours out over own per perhaps please quite rather
    really s same shall she should shouldn't since so some somebody someone something still such t than that
    that's the their theirs them themselves then there there's therefore these they they're thing things this those
    though through thus to together too toward under until unless up upon us using very via want wants was wasn't we
    we're were weren't what what's whatever when where whether which while who whom whose why will with within
    without won't would wouldn't yes yet you you're your yours
    der die das den dem des ein eine einen einem einer und oder aber ist sind war nicht mit von zu zum zur auf aus
    bei für im in ich du er sie es wir ihr mir mich dich uns bitte auch nur noch sehr wie was wer wo"""
)
"""Words that carry no meaning of their own."""

THANKS = word_set("thanks thank thx danke")
GREETINGS = THANKS | word_set("hello hi hey greetings morning afternoon evening welcome hallo moin servus bye")

GERMAN = word_set("der die das und ist nicht ein eine mit von zu auf für ich sie wir auch sehr aber den dem wie im")
ENGLISH = word_set("the and is not a an with of to on for i they we also very but in it this that was are")

QUESTIONS = word_set(
    "what which who whose where when why how is are does do did has have can could was were wie wo wer warum"
)
"""Words with which a question begins."""

LEADING = word_set(
    """please now then also and so ok okay hi hello hey kindly just first finally next can could would will you we
    let's lets i i'd want need like to must have go ahead try help me us bitte afterwards again"""
)
"""Words that may come ahead of a command."""

WISHES = word_set("want need like i'd must have")
"""What turns "I … to delete it" into a command."""

NEGATIONS = word_set(
    """not no never without neither nor nothing hardly cannot can't don't dont doesn't didn't isn't wasn't aren't
    weren't won't wouldn't couldn't shouldn't haven't hasn't hadn't lacks lacking nicht kein keine nie ohne"""
)
INTENSIFIERS = word_set("very really extremely so absolutely totally incredibly highly truly too sehr")

PRONOUNS = word_set("it its this that these those them their same one")
ALL = word_set("all every each both everything alle")
ORDINALS = {"first": 0, "second": 1, "third": 2, "fourth": 3, "fifth": 4, "last": -1}
SMALL_NUMBERS = dict(
    zip(
        ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"],
        range(2, 13),
        strict=True,
    )
)
DETERMINERS = word_set("the a an all its their this that these those it them my our every each any some no for")
ON = word_set("yes true on enable enabled active activate ja")
OFF = word_set("no false off disable disabled inactive deactivate nein")
UP = word_set("raise increase add up more higher")
DOWN = word_set("lower reduce decrease cut discount down less drop")
AT_MOST = (
    "under",
    "below",
    "less than",
    "at most",
    "up to",
    "cheaper than",
    "no more than",
    "maximum",
    "max",
    "within",
)
AT_LEAST = ("over", "above", "more than", "at least", "no less than", "minimum", "min", "exceeding")
DETAILS = word_set("detail details describe about info information everything")

SUPERLATIVES: dict[str, tuple[str, bool]] = {
    "cheapest": ("price", False),
    "lowest": ("price", False),
    "priciest": ("price", True),
    "dearest": ("price", True),
    "expensive": ("price", True),
    "highest": ("price", True),
    "best": ("rating", True),
    "worst": ("rating", False),
    "newest": ("created", True),
    "latest": ("created", True),
    "oldest": ("created", False),
}
"""Words that pick one of several: the field they look at, and whether its greatest value is meant."""

VAGUE = word_set(
    """cheap expensive good nice new old big small great many few available kind kinds sort sorts type types name
    names called named number amount euro euros dollar dollars eur usd percent information info details detail
    overview everything stuff today tomorrow yesterday ask task question help happen happens cost costs say says
    least text following say think know tell"""
)
"""Words that mean something, but that nobody would search for."""

PLAIN = word_set(
    """arrive arrived arrives ask asked bought buy call came come comes day days definitely feel feels felt find found
    fits gave give go goes gone hour hours keep keeps kept left live long look looked looks made makes minute minutes
    month months order ordered put read received said say seem seems sent set short small take takes thing time times
    took tried try turn two use used uses wanted week weeks went work worked works year years three hours item items
    little lot bit way side"""
)
"""Words of every text, which are no keywords of any."""

READ_VERBS: dict[str, frozenset[str]] = {
    "search": word_set("search find look lookup query seek locate suche finde"),
    "list": word_set("list enumerate browse display overview"),
    "get": word_set("get read fetch retrieve view show tell describe inspect see give load return open detail zeige"),
    "count": word_set("count tally"),
    "check": word_set("check verify validate"),
    "compare": word_set("compare contrast"),
    "analyse": word_set("analyse analyze analysis analyst judge assess evaluate examine classify rate"),
    "summarise": word_set("summarise summarize summary recap outline"),
    "ask": word_set("ask consult delegate"),
    "calculate": word_set("calculate compute sum multiply divide convert"),
    "translate": word_set("translate"),
}
WRITE_VERBS: dict[str, frozenset[str]] = {
    "change": word_set(
        """set change update edit modify adjust alter correct fix rename raise increase lower reduce decrease cut
        discount put move mark assign replace setze ändere"""
    ),
    "create": word_set("create add insert make register write draft save store generate new"),
    "delete": word_set("delete remove erase discard destroy clear purge drop lösche"),
    "cancel": word_set("cancel abort revoke"),
    "send": word_set("send mail email notify message post reply forward"),
    "publish": word_set("publish release"),
    "unpublish": word_set("unpublish hide withdraw archive"),
    "approve": word_set("approve accept confirm"),
    "reject": word_set("reject deny refuse decline"),
    "buy": word_set("buy order purchase book reserve checkout pay"),
    "refund": word_set("refund reimburse"),
    "start": word_set("start run launch trigger enable activate"),
    "stop": word_set("stop disable deactivate pause"),
}
IMPLIED = {"rename": "name", "think": "review", "say": "review", "said": "review", "complain": "review"}
"""What a word speaks of without naming it."""
NOUN_LIKE = word_set(
    """order message post mail email book list count check open mark start view report offer discount release draft
    summary analysis analyst query set store detail contrast rate display sum look run new cut new drop return fix"""
)
"""Verbs that are as often nouns: they command only where something follows that they could act on."""

SYNONYMS: tuple[frozenset[str], ...] = (
    word_set("price cost pricing"),
    word_set("product item article goods"),
    word_set("review rating feedback opinion testimonial"),
    word_set("customer client buyer shopper"),
    word_set("order purchase"),
    word_set("stock inventory availability"),
    word_set("category section department"),
    word_set("weather forecast rain temperature sunny"),
    word_set("delivery shipping shipment"),
    word_set("image picture photo"),
    word_set("document doc file"),
    word_set("mail email"),
    word_set("analyse analyze analysis analyst"),
    word_set("summarise summarize summary"),
    word_set("user account member"),
    word_set("remove delete"),
)

POSITIVE = word_set(
    """amazing awesome beautiful best better bright brilliant charming cheerful clean clear comfortable convenient cosy
    cozy delight delighted delightful durable easy effective elegant enjoy enjoyed enjoyable excellent exceeded
    exceptional fabulous fantastic fast fine flawless fresh friendly generous glad gorgeous good great handy happy
    helpful ideal impressed impressive incredible joy kind lovely love loved loves lovingly nice outstanding perfect
    perfectly pleasant pleased pleasure pretty prompt quick quiet recommend recommended reliable rich robust satisfied
    satisfying sharp smooth soft solid splendid strong stunning sturdy stylish success successful super superb
    superior tasty terrific thank thanks top useful valuable warm well wonderful worth
    gut gute toll schön prima perfekt wunderbar hervorragend zufrieden super freundlich empfehlen klasse"""
)
NEGATIVE = word_set(
    """angry annoyed annoying awful bad badly boring break breaks broke broken bug bugs cheap cold complain complaint
    confusing cracked crash crashes damaged dangerous defect defective delay delayed dead difficult dirty disappoint
    disappointed disappointing disappointment dislike dull error errors expensive fail failed fails failure fake
    faulty fell flawed flimsy fragile frustrated frustrating hate hated hard horrible impossible inferior issue issues
    junk lack lacking late leak leaks loose lost mediocre mess missing mistake noisy overpriced pain painful poor
    poorly problem problems refund regret returned rude rough sad scratched scratches shame sharpless slow sloppy smell
    smells stink terrible thin tired ugly unacceptable uncomfortable unfortunately unhappy unpleasant unreliable
    upset useless waste weak wobble wobbles wobbly worse worst worthless wrong
    schlecht kaputt leider enttäuscht enttäuschend furchtbar mangelhaft teuer langsam defekt ärgerlich"""
)
URGENT = word_set("urgent urgently asap immediately emergency critical now today deadline outage down broken dringend")
