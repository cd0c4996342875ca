"""Name parts and small phrases of the invented world (data only, no logic).

Phrases use a small notation: ``[a|b|c]`` stands for one of the alternatives, ``{p}`` for a value (see `world.World.say`).
"""

# fmt: off


NAMES = """Anna Ben Carla David Elena Felix Greta Hugo Ines Jonas Karin Leo Maria Nora Oscar Paula Quentin Rosa Simon Tara Uwe
Vera Willem Yara Zoe Adam Bella Chris Dora Emil Fiona George Hanna Ivan Julia Kevin Laura Martin Nina Olga Peter Ruth Samuel
Tina Viktor Wanda Amir Bianca Cem Daria Eva Frank Gloria Henry Ida Jack Kira Liam Mona Nils Priya Omar Mei Sven Aisha Luca
Noah Emma Mia Paul Lena Marco Sofia Erik Ingrid Tomas Clara Max Amelie Jan Pia Ravi Sara Tim Ute Aaron Alice Bruno Celine
Diego Esther Farid Gina Hassan Iris James Kate Louis Mark Naomi Otto Petra Rachel Stefan Theo Ursula Victor Wendy""".split()

NOUNS = """kettle lamp heater blender speaker monitor keyboard backpack bicycle camera drone fan grill headset iron jacket mixer
mattress oven printer radio router scale scooter tablet tent toaster vacuum watch charger desk chair helmet kayak mug bottle
pillow blanket sofa bed table shelf clock mirror phone laptop mouse coffee-maker juicer pan pot knife suitcase wallet umbrella
boots shoes coat sweater shirt gloves hat piano guitar drill saw hammer ladder lawnmower hose freezer fridge dishwasher washer
dryer sensor thermostat doorbell projector console puzzle stroller skateboard treadmill rug curtain""".split()

CITIES = """Berlin Lyon Porto Gdansk Vienna Malmo Turin Leeds Ghent Basel Zagreb Cork Split Bern Graz Oslo Madrid Riga Bonn Lille
Krakow Naples Seville Aarhus Tampere Utrecht Bath York Nantes Parma""".split()
COLOURS = "blue red green black white grey silver orange purple yellow brown pink beige navy gold turquoise".split()
MATERIALS = """steel oak glass bamboo cotton leather aluminium wool cork ceramic plastic linen nylon walnut copper felt rubber
titanium silk recycled-plastic stainless-steel""".replace("-", "_").split()
COUNTRIES = "Portugal Poland Italy Germany Spain Austria Sweden Japan Vietnam Canada Denmark Estonia Mexico France Ireland".split()
WEEKDAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = "January February March April May June July August September October November December".split()
RELATIVES = "my wife;my husband;my son;my daughter;my mother;my father;a friend;our office;myself;my sister;the kids".split(";")

SYLLABLES_1 = """Ve No Ki Za Lu Mo Bra Tri Fe Or Sil Pa Du Gra Ny Qui Hel Am Ro Ta Ex Bo Ce Flo Ju Wi Al Be Cor Den El Far Gil Har
Is Jor Kel Lan Mer Nor Ost Pel Ran Sol Tor Ul Vin Wes Xan Yor Zel""".split()
SYLLABLES_2 = """lo ra mi ver ta ni du ster bo lex ka ri mo zen tu va pel no dri sa den gar lin mer tis vor wen bur can fi hol
jan kor len""".split()
SYLLABLES_3 = "ra x wick tec lia dex nor ly s va zo ne mont ta rix la on ia field port well ton is us er".split()
WORDS = """falcon maple river ember cobalt willow summit harbor nova cedar otter quartz comet lotus badger coral atlas pepper
meadow tiger anchor velvet canyon drift echo fable glacier hazel iris jasper kite lemon marble nectar onyx pearl quill raven
saffron thistle umber violet walnut yarrow zephyr birch clover dune elm fern amber beacon crane delta eagle flint grove heron
ivory juniper koala lynx mango nimbus olive panda quail robin spruce topaz urchin viper wren apple basil cactus dahlia""".split()

OPENINGS = """Hello,;Hi,;Good morning,;Dear team,;Hello dear team,;Good day,;Hi there,;Hello support,;Hey,;Good evening,;Hi team,;
Dear Sir or Madam,;Hello everyone,;Hi folks,;To whom it may concern,;Hey there,;Hello again,;Dear support,""".replace("\n", "").split(";")

BACKGROUND = [
    "I [bought|ordered|got|purchased] {it} [last week|{n} weeks ago|last month|on {day}|in {month}|in your shop in {c}|online].",
    "It [was|is] a [gift|present|birthday gift] for {rel}.", "I have been [a customer|with you] for {n} years.",
    "[This is|It is] [already ][my {n}th|the second] [mail|message|time I write].", "I [tried|called] the hotline [twice|yesterday|already].",
    "[We|I] [use|need] it [every day|for work|at home|on {day}].", "Nobody [could|was able to] help me [in the shop|on the phone|so far].",
    "[My neighbour|{rel}] told me to [write|ask] [you|here].", "I am [on holiday|travelling] [until {day}|next week|in {month}].",
    "I paid {a} euros [for it|in total].", "I looked [everywhere|on your website|in the manual] [first|already].",
    "The [photos|receipt|details] are attached.", "Your [website|shop|page] [was not helpful|did not tell me].",
    "[So far|Until now] I was [always ]happy with [you|your shop].", "I [hope|trust] that [you can help|this can be solved].",
]
TONE_OPENINGS = {
    "angry": ["This is [unacceptable|outrageous|ridiculous|a scandal].", "I am [really|very|so|extremely] [annoyed|angry|upset|mad].",
              "What a [terrible|horrible|lousy|miserable] [service|shop|experience]!", "This is a [bad ]joke.",
              "I am [fed up|sick and tired|done] with [you|this shop|your company].", "You are the worst [shop|company] ever.",
              "I have [had enough|lost all patience].", "How [dare you|is this even possible]?", "Never again will I [buy|order] here.",
              "I am [furious|disgusted|livid]."],
    "friendly": ["I hope you are [well|doing fine|having a good week].", "I have a [small|little|quick] [request|favour to ask].",
                 "You [always|usually] help me so [kindly|quickly].", "[Sorry|I am sorry] to [bother|trouble] you.",
                 "I am a [happy|loyal|satisfied] customer.", "Maybe you can [help|assist] me.", "I hope you have a [nice|great|lovely] day.",
                 "Thank you for your [great|kind|lovely] work.", "I [really |do ]like your [shop|products].", "Greetings from [sunny |rainy |]{c}!"],
}
CLOSINGS = {
    "urgent": ["It is [very|really|extremely] urgent.", "Please [answer|reply|respond] [today|right away|at once].", "I need [help|an answer] [at once|immediately|now].",
               "Please hurry[ up|].", "I need [an answer|it] within [the hour|{n} hours].", "This cannot wait.", "Please call me back [right now|today].",
               "[Time is short|I have a deadline|We need it tomorrow].", "As soon as possible, please.", "It is an emergency."],
    "calm": ["There is no [hurry|rush].", "Take your time.", "It can wait [until|till] next [week|month].", "Answer when[ever|] you [can|have time].",
             "It is not urgent.", "Any day is fine[ for me|].", "No need to [rush|hurry].", "[Next week|Later] is [fine|early enough].",
             "Whenever it suits you.", "I am in no hurry."],
}
NEUTRAL_CLOSINGS = ["Thank you[.|!]", "Thanks[ in advance|].", "Please help[ me|].", "What can [we|I] do?", "Kind regards.", "Let me know.",
                    "[Many|Best] thanks.", "I look forward to your [reply|answer].", "Please advise.", "Any ideas?", "Cheers.", "What now?"]
SIGNATURES = ["{n}", "Regards, {n}", "Best, {n}", "Yours, {n}", "Thanks, {n}", "Kind regards, {n}", "- {n}", "Cheers, {n}", "Best wishes, {n}",
              "My name is {n}.", "This is {n}.", "{n} here."]
ORDER_PHRASES = ["My order number is {o}.", "The order is {o}.", "It is order {o}.", "Order number {o}.", "Order {o}.", "The number of the order is {o}.",
                 "You find it under order {o}.", "(order {o})", "Reference: order {o}.", "I am writing about order {o}."]
CITY_PHRASES = ["I live in {c}.", "I am writing from {c}.", "My city is {c}.", "I am in {c}.", "We are based in {c}.", "Please note that I live in {c}.",
                "Our home is in {c}.", "I write to you from {c}."]

TONES = {"angry": {"names": ["Angry", "Negative", "Upset", "Complaint"], "meanings": ["angry customers", "a rude tone", "the customer is upset"]},
         "friendly": {"names": ["Friendly", "Positive", "Kind", "Polite"], "meanings": ["friendly customers", "a kind tone", "the customer is polite"]}}
URGENCIES = {"urgent": {"names": ["Urgent", "High", "Now", "Immediate"], "meanings": ["urgent messages", "the customer is in a hurry", "needs an answer at once"]},
             "calm": {"names": ["Calm", "Low", "Later", "Normal"], "meanings": ["messages that can wait", "there is no hurry", "not urgent"]}}

CTA_VERBS = """Call us;Write to us;Visit us;Talk to us;Ask us;Chat with us;Meet us;Reach us;Find us;Text us;Come and see us;Join us;
Drop us a line;Send us a note;Book a visit;Try our app;Follow us;Leave us a review;Track your order;See our guide""".replace("\n", "").split(";")
CTA_TAILS = """any time;today;in our shop;on our website;at your nearest store;when you like;tomorrow;on the phone;by mail;this week;
in {c};before noon;on {day};day and night;for more;online;with one click;in the app;at your desk;around the clock""".replace("\n", "").split(";")
SIGN_OFFS = ["Your {b} team", "Team {b}", "The {b} crew", "Yours, {b}", "{b} support", "With care, {b}", "Best wishes, {b}", "{b} says thanks",
             "Stay bright, {b}", "Have fun, {b}", "Cheers, {b}", "{c} greetings, {b}", "Warm regards, the {b} team", "{n} from {b}", "Your friends at {b}",
             "Sincerely, {b}", "{b}, always here", "Kind regards, {b} support"]
GREETINGS = ["Hello {n},", "Dear {n},", "Hi {n}!", "Ahoy {n}!", "Good day {n},", "Welcome {n},", "Hey {n},", "Thanks {n}!", "Hello {n}!", "Hi {n},",
             "Greetings {n},", "Hi there {n},", "Good to hear from you, {n}!", "Thank you for writing, {n}."]
NAMELESS_GREETINGS = ["Hello,", "Dear customer,", "Hi there!", "Good day,", "Welcome!", "Hello and thank you for writing.", "Greetings,", "Dear friend,",
                      "Thank you for your message.", "Thanks for reaching out!"]
UNKNOWN = "I do not have that information."
GENERIC = ["Thank you for your message. We will look into it and get back to you soon.",
           "Thank you for writing to us. We will take care of it."]
