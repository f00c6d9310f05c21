"""What the examples say: the words of every page that has some, and the numbers of every chart. Tests compare against these.

`TEXTS` holds one string per page, paragraphs apart by newlines, in reading order. The five language pages are articles of the
Universal Declaration of Human Rights (United Nations, free to reproduce); all else is our own.
"""

TEXTS: dict[str, str] = {
    "report.1": """\
Harbour Light Energy Cooperative
Annual report 2025
The cooperative supplied 3,412 households in four towns with electricity from wind, sun, water and biogas. Generation rose \
by 11.8 % over the year before, while the price to members stayed at 0.214 EUR per kilowatt-hour.
1 Generation
Wind remained the largest source. The second turbine at Grey Point went on line in March and lifted the second quarter above \
the first, which has not happened since the cooperative was founded in 2009. Solar output followed the weather: a dull June \
was made good by a long, bright September.
Figure 1. Electricity generated in each quarter of 2025, by source.
Storage was full on 41 days. On those days 126 MWh were sold to the regional grid at an average of 0.061 EUR per \
kilowatt-hour, a little below the year before.""",
    "report.2": """\
2 Prices and members
The wholesale price fell from 94 EUR in January to 61 EUR in June and came back with the first frost. Members were shielded \
from both: the tariff is set once a year, and the difference goes through the balancing fund.
Figure 2. Wholesale and member price, monthly averages of 2025.
Most members are households, but half of the electricity goes to the cold stores and the school campus. The council has \
asked for a tariff that rewards use at noon.
Figure 3. Electricity sold in 2025 by kind of customer.""",
    "report.3": """\
3 Wind and yield
Each point below is one day. Above 12 metres per second the older turbine is throttled, which is why its cloud flattens \
while the new one climbs on.
Figure 4. Daily yield against mean wind speed, June 2025.
Table 1. Key figures.
Figure | 2023 | 2024 | 2025
Households | 3,105 | 3,268 | 3,412
Generation, MWh | 8,140 | 8,866 | 9,912
Sold to grid, MWh | 98 | 151 | 126
Revenue, thousand EUR | 1,742 | 1,897 | 2,121
Loss, % | 6.4 | 6.1 | 5.8""",
    "report.4": """\
4 Appendix: charts of the auditor
The two figures on this page were delivered as pictures. Their numbers are not part of the text of this document.
Figure 5. Staff by town, end of year.
Figure 6. Reservoir level, per cent of capacity.""",
    "two_columns": """\
The tide tables of Saltmarsh Bay
A short history of counting water
For two hundred years the harbour master of Saltmarsh Bay wrote down the height of the water twice a day. The books survived \
a fire, a flood and three reorganisations of the archive, and they are now one of the longest unbroken series of its kind on \
this coast.
The first readings were made with a notched pole and are good to about four inches. In 1871 a float gauge took over, which \
drew its own curve on paper; its clock lost eleven minutes a week, and the correction is noted in red ink in the margin of \
every Sunday.
Reading the curve back into numbers took a team of volunteers six winters. They typed each page twice, in different rooms, \
and a third person settled what the first two disagreed on. About one reading in ninety had to be settled.
What does the series say? The mean level rose by 1.4 millimetres a year before 1950 and by 2.3 since. High water comes four \
minutes later than it did in the days of the pole, because the new mole narrows the entrance. The largest surge was not the \
famous one of 1953, but a nameless night in January 1894, when the float ran off its paper and the clerk wrote: water over \
the table.
The tables are printed every year to this day. Fishermen say they do not need them. Everyone has a copy.
Saltmarsh Historical Notes, no. 12""",
    "chinese": """\
世界人权宣言
第一条
人人生而自由,在尊严和权利上一律平等。他们赋有理性和良心,并应以兄弟关系的精神相对待。
第二条
人人有资格享有本宣言所载的一切权利和自由,不分种族、肤色、性别、语言、宗教、政治或其他见解、国籍或社会出身、财产、出生或其他身分等任何区别。
第三条
人人有权享有生命、自由和人身安全。
第四条
任何人不得使为奴隶或奴役;一切形式的奴隶制度和奴隶买卖,均应予以禁止。""",
    "arabic": """\
الإعلان العالمي لحقوق الإنسان
المادة الأولى
يولد جميع الناس أحرارا متساوين في الكرامة والحقوق. وقد وهبوا عقلا وضميرا وعليهم أن يعامل بعضهم بعضا بروح الإخاء.
المادة الثالثة
لكل فرد الحق في الحياة والحرية وسلامة شخصه.
المادة السادسة
لكل إنسان أينما وجد الحق في أن يعترف بشخصيته القانونية.
المادة التاسعة
لا يجوز القبض على أي إنسان أو حجزه أو نفيه تعسفا.""",
    "hindi": """\
मानव अधिकारों की सार्वभौम घोषणा
अनुच्छेद १
सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है। उन्हें बुद्धि और अन्तरात्मा की देन प्राप्त है और परस्पर \
उन्हें भाईचारे के भाव से बर्ताव करना चाहिए।
अनुच्छेद २
सभी को इस घोषणा में सन्निहित सभी अधिकारों और आज़ादियों को प्राप्त करने का हक़ है और इस मामले में जाति, वर्ण, लिंग, भाषा, धर्म, राजनीति या अन्य \
विचार प्रणाली, किसी देश या समाज विशेष में जन्म, सम्पत्ति या किसी अन्य प्रकार के कारण भेदभाव का विचार न किया जाएगा।
अनुच्छेद ३
प्रत्येक व्यक्ति को जीवन, स्वाधीनता और वैयक्तिक सुरक्षा का अधिकार है।""",
    "russian": """\
Всеобщая декларация прав человека
Статья 1
Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и совестью и должны поступать в \
отношении друг друга в духе братства.
Статья 2
Каждый человек должен обладать всеми правами и всеми свободами, провозглашенными настоящей Декларацией, без какого бы то ни \
было различия, как-то в отношении расы, цвета кожи, пола, языка, религии, политических или иных убеждений, национального \
или социального происхождения, имущественного, сословного или иного положения.
Статья 3
Каждый человек имеет право на жизнь, на свободу и на личную неприкосновенность.""",
    "german": """\
Allgemeine Erklärung der Menschenrechte
Artikel 1
Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und Gewissen begabt und sollen \
einander im Geiste der Brüderlichkeit begegnen.
Artikel 2
Jeder hat Anspruch auf alle in dieser Erklärung verkündeten Rechte und Freiheiten, ohne irgendeinen Unterschied, etwa nach \
Rasse, Hautfarbe, Geschlecht, Sprache, Religion, politischer oder sonstiger Anschauung, nationaler oder sozialer Herkunft, \
Vermögen, Geburt oder sonstigem Stand.
Artikel 3
Jeder hat das Recht auf Leben, Freiheit und Sicherheit der Person.""",
    "rotated_scan": """\
Minutes of the annual meeting
Town hall, 14 February 2025
Present were 87 members. The chair opened the meeting at half past seven and greeted the guests from the neighbouring \
cooperative.
The accounts were read and approved with two votes against. The auditor found the books in order and thanked the treasurer \
for answering every question on the day it was asked.
A motion to paint the turbines green was discussed for an hour and withdrawn.
The meeting closed at twenty to ten. Tea was served.""",
    "fax.1": """\
FAX
To: Harbour Light Energy Cooperative
From: Grey Point Marine Services
Pages: 3
Subject: Inspection of turbine 2
Please find our inspection notes on the following pages. The blades are sound. One bolt was replaced.""",
    "fax.2": """\
Inspection notes
Blade A: no cracks, light erosion at the tip.
Blade B: no cracks.
Blade C: repaired in 2023, the repair holds.
Tower: bolt 17 replaced, torque 620 Nm.
Next visit: October 2026.""",
    "fax.3": """\
Invoice 2025-118
Inspection, 2 days: 1,840.00 EUR
Bolt M36 with nut: 48.50 EUR
Travel by boat: 260.00 EUR
Total: 2,148.50 EUR""",
    "receipt_photo": """\
THE PAPER LANTERN
Harbour Street 9
Table 4 12.06.2025
Fish soup 8.50
Bread and butter 3.20
2 x Lemonade 7.00
Apple cake 4.80
TOTAL EUR 23.50
Thank you!""",
    "encrypted": """\
Salaries of the board
Nobody without the password reads this page.""",
    "truncated": """\
Log of the night watch
This file was cut off in the middle, as a broken upload leaves it.""",
}

QUARTERS = ["Q1", "Q2", "Q3", "Q4"]
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

GENERATION_MWH = {
    "Wind": [1180, 1320, 1065, 1410],
    "Solar": [310, 745, 880, 260],
    "Water": [590, 540, 410, 562],
    "Biogas": [160, 158, 161, 161],
}
"""Figure 1: a grouped bar chart, values printed."""

PRICES_EUR = {
    "Wholesale": [94, 88, 81, 72, 66, 61, 64, 69, 74, 83, 92, 97],
    "Members": [78, 78, 78, 78, 78, 78, 78, 78, 78, 78, 78, 78],
}
"""Figure 2: a line chart, values not printed. EUR per MWh by month."""

CUSTOMERS_PERCENT = {"Households": 43.0, "Cold stores": 31.0, "School campus": 19.0, "Grid": 7.0}
"""Figure 3: a pie, values printed."""

WIND_MPS = [4.1, 5.0, 6.2, 7.1, 8.3, 9.4, 10.2, 11.5, 12.6, 13.8]

YIELD_MWH = {
    "Turbine 1 (2009)": list(zip(WIND_MPS, [3.2, 5.1, 8.4, 11.0, 15.2, 18.9, 21.4, 24.0, 24.6, 24.7], strict=True)),
    "Turbine 2 (2025)": list(zip(WIND_MPS, [3.8, 6.0, 9.7, 13.0, 17.4, 22.3, 25.4, 30.1, 33.5, 36.2], strict=True)),
}
"""Figure 4: a scatter chart. (metres per second, MWh) by day."""

STAFF = {"Staff": [14, 9, 6, 3]}
TOWNS = ["Northwick", "Grey Point", "Ashby", "Fenton"]
"""Figure 5: a bar chart as a picture, values printed."""

RESERVOIR_PERCENT = {
    "Upper lake": [71, 74, 82, 91, 96, 93, 85, 72, 64, 60, 63, 69],
    "Lower lake": [55, 57, 61, 70, 78, 80, 74, 66, 58, 51, 50, 53],
}
"""Figure 6: a line chart as a picture, values not printed."""

KEY_FIGURES = [line.split(" | ") for line in TEXTS["report.3"].splitlines()[-6:]]
"""Table 1, header first."""
