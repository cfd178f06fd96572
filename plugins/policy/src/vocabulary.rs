// SPDX-License-Identifier: MIT OR Apache-2.0
//! The closed vocabularies shared by rules and mandates.

use std::fmt;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// Every value, in order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word used in files, structures and properties.
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// The value that `word` names.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|v| v.word() == word)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.word())
            }
        }
    };
}

words! {
    /// How much of a frame must be masked, weakest first.
    Mask {
        /// Clear images.
        None = "none",
        /// Every person.
        Persons = "persons",
        /// Every person and every vehicle, plates included.
        PersonsVehicles = "persons+vehicles",
        /// The whole frame.
        Frame = "frame",
    }
}

words! {
    /// How a mask must be made, weakest demand first.
    MaskMethod {
        /// By any method that cannot be undone.
        Any = "any",
        /// By one colour, which leaves nothing of what was there.
        Solid = "solid",
    }
}

words! {
    /// What a detector may be used for, least first.
    DetectorUse {
        /// No detection.
        None = "none",
        /// Only to find what must be masked.
        Mask = "mask",
        /// Anonymous counts.
        Statistics = "statistics",
        /// Search in recordings, on a judicial decision.
        Search = "search",
    }
}

words! {
    /// Where the images go.
    SinkClass {
        /// Not declared: nothing opens.
        Undeclared = "undeclared",
        /// Display in the city's video control room (centre de supervision urbain).
        CsuDisplay = "csu-display",
        /// Another display on a secured internal network.
        InternalSecured = "internal-secured",
        /// A display on an unsecured network, or one that other staff can see.
        InternalUnsecured = "internal-unsecured",
        /// The recorder of the system itself, which erases by itself (CSI L.252-5).
        Store = "store",
        /// A file handed over or kept: an extraction.
        File = "file",
        /// Anybody.
        Public = "public",
    }
}

words! {
    /// Whether images are used as they are taken or from a recording.
    Mode {
        /// As they are taken.
        Live = "live",
        /// From a recording.
        Deferred = "deferred",
    }
}

words! {
    /// In what quality an operator acts (CSI R.253-3, CPP 230-25; `personne_concernee`: R.253-6).
    Capacity {
        /// Agent of the control room.
        CsuOperator = "csu_operator",
        /// Municipal police.
        PoliceMunicipale = "police_municipale",
        /// Agents of articles L.531-1, L.532-1 and L.533-1 CSI (Paris and other cities).
        AgentL531 = "agent_l531_533",
        /// Mayor or deputy, as judicial police officer.
        EluMaire = "elu_maire",
        /// Agent approved by the prefect (L.132-14-1 CSI).
        AgentAgree = "agent_agree",
        /// National police.
        PoliceNationale = "police_nationale",
        /// Gendarmerie.
        Gendarmerie = "gendarmerie",
        /// Customs.
        Douanes = "douanes",
        /// Fire and rescue.
        Sdis = "sdis",
        /// Judicial police officer.
        Opj = "OPJ",
        /// Judicial police agent.
        Apj = "APJ",
        /// Magistrate.
        Magistrat = "magistrat",
        /// Communication department.
        Communication = "communication",
        /// Named technician.
        Technicien = "technicien",
        /// Inspector (CNIL, departmental commission, inspectorate).
        Inspecteur = "inspecteur",
        /// Private operator of L.613-13 CSI.
        Prive = "prive_613_13",
        /// The filmed person who asks for access.
        PersonneConcernee = "personne_concernee",
        /// Shopkeeper, who may never view (CSI R.251-2).
        Commercant = "commercant",
    }
}

words! {
    /// What an entry of the register is about (CSI R.253-5, and the internal register).
    Operation {
        /// Collection.
        Collect = "collect",
        /// Modification.
        Modify = "modify",
        /// Viewing.
        Consult = "consult",
        /// Communication to a third party.
        Communicate = "communicate",
        /// Erasure.
        Erase = "erase",
        /// Extraction of a recording.
        Extract = "extract",
        /// Publication.
        Publish = "publish",
        /// A refusal.
        Refuse = "refuse",
        /// Change of configuration.
        Config = "config",
        /// A window of counts.
        WindowPublished = "window_published",
    }
}

words! {
    /// What kind of place a camera films. The last three are out of scope: no purpose is open to them.
    PlaceType {
        /// Public road.
        PublicRoad = "public_road",
        /// Place or establishment open to the public.
        PublicPlace = "public_place",
        /// Place of work or storage that the public does not enter.
        NotOpen = "not_open_to_public",
        /// Private place.
        Private = "private",
        /// Research laboratory.
        Research = "research",
    }
}

words! {
    /// The fields of a mandate that a purpose can demand.
    Field {
        /// Legal basis of the processing.
        LegalBasis = "legal_basis",
        /// Title of the data protection act that applies (II, III or IV).
        Regime = "regime",
        /// Ground of CSI L.251-2, 1 to 11.
        CsiGround = "csi_ground",
        /// Who decides on the processing.
        Controller = "controller",
        /// Data protection officer.
        Dpo = "dpo",
        /// Where filmed people exercise their rights.
        RightsContact = "rights_contact",
        /// Prefectoral authorisation.
        CsiAuthorisation = "csi_authorisation",
        /// Who may see the images.
        Audience = "audience",
        /// Places of viewing.
        ViewingPlaces = "viewing_places",
        /// Public notice.
        PublicNotice = "public_notice",
        /// Impact assessment.
        Dpia = "dpia",
        /// Entry in the record of processing activities (RGPD 30).
        RopaRef = "ropa_ref",
        /// Commitment of conformity sent to the CNIL.
        ComplianceCommitment = "compliance_commitment",
        /// Why the processing is necessary.
        Necessity = "necessity",
        /// Why it is proportionate.
        Proportionality = "proportionality",
        /// Judicial requisition.
        Requisition = "requisition",
        /// Who receives the images.
        Recipient = "recipient",
        /// Channel of publication.
        Channel = "channel",
        /// What is published.
        ItemRef = "item_ref",
        /// Who approved the publication.
        Approver = "approver",
        /// Consents of recognisable people.
        Consents = "consents",
        /// Declaration that the publication is not electoral.
        DeclarationNonElectoral = "declaration_non_electoral",
        /// Who benefits from the publication.
        BeneficiaryType = "beneficiary_type",
        /// Whether the publication promotes the authority's achievements.
        Promotional = "promotional",
        /// Limits and objection for statistics.
        Stats = "stats",
        /// Days and hours at which the mandate serves.
        Schedule = "schedule",
        /// Incident that is looked into.
        IncidentRef = "incident_ref",
        /// Days that recordings are kept.
        RetentionDays = "retention_days",
        /// Procedure in which images are seen or communicated.
        Procedure = "procedure",
        /// Request for access, and what was decided.
        AccessRequest = "access_request",
        /// Decision of a magistrate for one case.
        MagistrateAuthorisation = "magistrate_authorisation",
        /// The narrowly framed case of a public live broadcast.
        StrictCaseRef = "strict_case_ref",
        /// Event that an order of the prefect names.
        Event = "event",
        /// Purpose that the images were recorded for.
        OriginPurpose = "origin_purpose",
        /// Legal review of a use whose ground is debated.
        LegalReview = "legal_review",
        /// Detection models that the controller approved.
        Models = "models",
        /// Reference of the copy kept for a case.
        CaseCopyRef = "case_copy_ref",
        /// What a judicial search looks for.
        Search = "search",
    }
}
